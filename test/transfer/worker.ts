/** A worker process that the test kills. It ends by itself when the test is gone. */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { BatchtrailPlugin } from '../../src/index.js';

export interface WorkerSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly bundleFile: string;
  readonly auditUrl: string;
  readonly connections: Record<string, { url: string }>;
}

process.once('disconnect', () => process.exit());
const { address, taskQueue, bundleFile, auditUrl, connections } = JSON.parse(
  process.argv[2]!,
) as WorkerSettings;
Runtime.install({ logger: new DefaultLogger('ERROR') });
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue,
  workflowBundle: { codePath: bundleFile },
  plugins: [new BatchtrailPlugin({ audit: { url: auditUrl }, connections })],
  maxHeartbeatThrottleInterval: '200ms',
  // A workflow whose worker was killed goes to another one soon.
  stickyQueueScheduleToStartTimeout: '1s',
});
const ended = worker.run();
process.send!('started');
await ended;
