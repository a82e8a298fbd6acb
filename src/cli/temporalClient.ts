/** For commands that only ask Temporal. */
import { Client } from '@temporalio/client';
import { TemporalReader } from '../audit/temporalReader.js';
import type { Config } from '../config.js';
import { connectToTemporal } from './connect.js';
import { installRuntime } from './etlWorker.js';
import { loadDataConverter } from './userModules.js';

export async function withTemporalReader<T>(
  { audit, worker }: Config,
  work: (temporal: TemporalReader) => Promise<T>,
): Promise<T> {
  installRuntime({ level: 'WARN', gracefulShutdown: false });
  const dataConverter = await loadDataConverter(worker.dataConverter);
  const { connection, namespace } = await connectToTemporal();
  try {
    const client = new Client({ connection, namespace, ...dataConverter });
    return await work(new TemporalReader(client, namespace, undefined, audit.inputs));
  } finally {
    await connection.close();
  }
}
