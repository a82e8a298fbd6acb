/** A worker process. The driver kills it and starts it again; when the driver is gone, it ends by itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { BatchtrailPlugin } from '../../src/index.js';
import { createActivities } from './activities.js';
import { openJournal } from './journal.js';
import { limitOutbox } from './outboxLimit.js';

export interface WorkerSettings {
  /** The process's own name, and its journal's. */
  readonly name: string;
  readonly address: string;
  readonly taskQueue: string;
  readonly bundleFile: string;
  readonly auditUrl: string;
  readonly outboxFile: string;
  readonly journalFolder: string;
}

if (!process.connected) process.exit();
process.once('disconnect', () => process.exit());

const settings = JSON.parse(process.argv[2]!) as WorkerSettings;
process.on('message', limitOutbox(settings.outboxFile) as (message: unknown) => void);
Runtime.install({ logger: new DefaultLogger('WARN') });
const audit = { url: settings.auditUrl, outbox: settings.outboxFile };
const worker = await Worker.create({
  connection: await connect(settings.address),
  taskQueue: settings.taskQueue,
  workflowBundle: { codePath: settings.bundleFile },
  plugins: [new BatchtrailPlugin({ audit })],
  activities: createActivities(openJournal(settings.journalFolder, settings.name)),
  maxHeartbeatThrottleInterval: '200ms',
  // A workflow whose worker was killed goes to another one soon.
  stickyQueueScheduleToStartTimeout: '1s',
});
await worker.run();
process.exit();

/** Temporal may be down just now, and comes back. */
async function connect(address: string): Promise<NativeConnection> {
  for (;;) {
    try {
      return await NativeConnection.connect({ address });
    } catch {
      await delay(200);
    }
  }
}
