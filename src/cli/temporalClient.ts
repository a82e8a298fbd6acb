/** For commands that ask Temporal. */
import { Client } from '@temporalio/client';
import { TemporalReader } from '../audit/temporalReader.js';
import type { Config } from '../config.js';
import { connectToTemporal } from './connect.js';
import { installRuntime } from './etlWorker.js';
import { loadDataConverter } from './userModules.js';

export async function withClient<T>({ worker }: Config, work: (client: Client) => Promise<T>): Promise<T> {
  installRuntime({ level: 'WARN', gracefulShutdown: false });
  const dataConverter = await loadDataConverter(worker.dataConverter);
  const { connection, namespace } = await connectToTemporal();
  try {
    return await work(new Client({ connection, namespace, ...dataConverter }));
  } finally {
    await connection.close();
  }
}

export function withTemporalReader<T>(
  config: Config,
  work: (temporal: TemporalReader) => Promise<T>,
): Promise<T> {
  return withClient(config, (client) =>
    work(new TemporalReader(() => client, client.options.namespace, undefined, config.audit.inputs)),
  );
}
