import { join } from 'node:path';
import type { Config } from '../config.js';
import type { DevServer } from '../dev/devServer.js';
import { startDevServer } from '../dev/devServer.js';
import { lockForWriting } from '../dev/fileLock.js';
import { reportWhile } from '../dev/report.js';
import { takeServerFile } from '../dev/serverFile.js';
import { sampleFolder, withSample } from '../dev/sample.js';
import { withAuditReader } from './audit.js';
import { connectToDevServer } from './connect.js';
import type { TemporalPlace } from './connect.js';
import { printDemo } from './demoReport.js';
import type { DemoBatches } from './demoRuns.js';
import { makeDemoBatches } from './demoRuns.js';
import { installRuntime, startEtlWorker } from './etlWorker.js';
import { refuseIfOthersWait } from './othersWait.js';
import { print } from './output.js';

export async function runDemo(given: Config, command: string): Promise<void> {
  // The demo is about the sample alone: it must run whatever else is configured.
  const config = { ...given, connections: {}, worker: { taskQueue: given.worker.taskQueue } };
  const folder = sampleFolder(config);
  // The faults of one demo would be faults in the other's runs, too.
  const leave = await reportWhile(
    lockForWriting(join(folder, 'demo.lock')),
    print,
    (elapsed) => `Another demo is at work in this folder, waiting… ${elapsed}`,
    5,
  );
  try {
    await withServer(folder, async (place) => {
      await refuseIfOthersWait(given, place, folder);
      const batches = await demoBatches(config, place);
      await withAuditReader(config, (reader) => printDemo(config, reader, batches, command));
    });
  } finally {
    leave();
  }
}

async function withServer(folder: string, work: (place: TemporalPlace) => Promise<void>): Promise<void> {
  const { file, release } = await takeServerFile(folder);
  let server: DevServer | undefined;
  try {
    server = await startDevServer({ report: print, dbFile: file });
    // Ctrl-C ends the demo at once: there is nothing that would have to be finished.
    installRuntime({ level: 'ERROR', gracefulShutdown: false });
    const place = await connectToDevServer(server);
    try {
      await work(place);
    } finally {
      await place.connection.close();
    }
  } finally {
    await server?.stop();
    release();
  }
}

async function demoBatches(config: Config, place: TemporalPlace): Promise<DemoBatches> {
  print('Making the sample: orders of Northwind');
  const sample = await withSample(config);
  print('Starting a worker');
  const worker = await startEtlWorker(sample, place);
  try {
    return await withAuditReader(config, (reader) => makeDemoBatches(sample, place, reader, print));
  } finally {
    await worker.stop();
  }
}
