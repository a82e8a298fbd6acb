/** The worker that is measured. It says how much memory it has when it is told to begin anew, and at the most since. */
import { NativeConnection, Runtime, Worker, DefaultLogger } from '@temporalio/worker';
import { BatchtrailPlugin } from '../../src/index.js';

export interface WorkerSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly bundleFile: string;
  readonly auditUrl: string;
  readonly connections: Record<string, { url: string }>;
}

const LOOK_MS = 20;

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
});
let peak = 0;
setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), LOOK_MS).unref();
process.on('message', () => {
  process.send!(peak);
  peak = process.memoryUsage.rss();
});
const ended = worker.run();
process.send!('started');
await ended;
