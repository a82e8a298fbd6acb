/** A worker process that the test kills. It ends by itself when the test is gone. */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { BatchtrailPlugin } from '../../src/index.js';

export interface WorkerSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly bundleFile: string;
  readonly auditUrl: string;
  readonly connections: Record<string, { url: string }>;
  /** How wrong this machine's clock is. */
  readonly clockOffsetMs?: number;
}

process.once('disconnect', () => process.exit());
const settings = JSON.parse(process.argv[2]!) as WorkerSettings;
const { address, taskQueue, bundleFile, auditUrl, connections, clockOffsetMs = 0 } = settings;
if (clockOffsetMs !== 0) {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given: [] | [number]) {
      super(...((given.length > 0 ? given : [Right.now() + clockOffsetMs]) as [number]));
    }
    /** Those that come from elsewhere are dates, too. */
    static override [Symbol.hasInstance] = (value: unknown): boolean => value instanceof Right;
    static override now = (): number => Right.now() + clockOffsetMs;
  } as DateConstructor;
}
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
