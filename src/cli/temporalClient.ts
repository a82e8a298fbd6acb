/** For commands that only ask Temporal. */
import { Client } from '@temporalio/client';
import { TemporalReader } from '../audit/temporalReader.js';
import { connectToTemporal } from './connect.js';
import { installRuntime } from './etlWorker.js';

export async function withTemporalReader<T>(work: (temporal: TemporalReader) => Promise<T>): Promise<T> {
  installRuntime({ level: 'WARN', gracefulShutdown: false });
  const { connection, namespace } = await connectToTemporal();
  try {
    return await work(new TemporalReader(new Client({ connection, namespace }), namespace));
  } finally {
    await connection.close();
  }
}
