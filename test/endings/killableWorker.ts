/**
 * A worker process that kills itself with SIGKILL at a chosen point. The points are inside the plugin's own
 * code, so its classes are wrapped here: a fault that can be caused in no other way at that exact place.
 */
import { Context } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import { Auditor } from '../../src/audit/auditor.js';
import { Recorder } from '../../src/audit/recorder.js';
import type { PipelineEvent } from '../../src/domain/model.js';
import { BatchtrailPlugin } from '../../src/index.js';
import { activities } from './activities.js';
import type { StepInput } from './activities.js';

export type KillPoint = 'opening' | 'activity' | 'reported' | 'closing' | 'never';

export interface WorkerSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly auditUrl: string;
  readonly bundleFile: string;
  readonly killAt: KillPoint;
}

const { address, taskQueue, auditUrl, bundleFile, killAt } = JSON.parse(process.argv[2]!) as WorkerSettings;

const kill = (): void => void process.kill(process.pid, 'SIGKILL');

const { open, record } = Recorder.prototype;
const { expectClose } = Auditor.prototype;

if (killAt === 'opening') {
  Recorder.prototype.open = async function (start) {
    const batch = await open.call(this, start);
    kill();
    return batch;
  };
}
if (killAt === 'reported') {
  Recorder.prototype.record = async function (events: readonly PipelineEvent[]) {
    await record.call(this, events);
    if (events.some(({ EventType }) => EventType === 'success')) kill();
  };
}
if (killAt === 'closing') {
  Auditor.prototype.expectClose = function (...run) {
    kill();
    expectClose.apply(this, run);
  };
}

const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue,
  workflowBundle: { codePath: bundleFile },
  plugins: [new BatchtrailPlugin({ audit: { url: auditUrl } })],
  activities: {
    ...activities,
    async step(input: StepInput) {
      if (killAt === 'activity' && Context.current().info.attempt === 1) kill();
      return activities.step(input);
    },
  },
});
await worker.run();
process.exit();
