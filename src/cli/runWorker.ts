import type { Config } from '../config.js';
import { redact } from '../domain/redact.js';
import { connectToTemporal } from './connect.js';
import { installRuntime, startEtlWorker } from './etlWorker.js';
import { print } from './output.js';

export async function runWorker(config: Config): Promise<void> {
  installRuntime({ level: 'INFO', gracefulShutdown: true });
  const place = await connectToTemporal();
  const worker = await startEtlWorker(config, place);
  print(
    `Polling ${place.address}, namespace ${place.namespace}, task queue ${config.worker.taskQueue}, audit store ${redact(config.audit.url)}`,
  );
  await worker.ended;
  await place.connection.close();
  // A database that does not answer would keep the process alive, whatever its driver does.
  process.exit();
}
