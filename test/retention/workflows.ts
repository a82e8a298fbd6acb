/** What leaves batches behind, and the ready-made purge and replay. */
import {
  condition,
  defineSignal,
  executeChild,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';

export { purgeAudit, replayBatch } from '../../src/workflows/index.js';

export interface Steps {
  step(fails: boolean): Promise<{ rowsProcessed: number }>;
}

const { step } = proxyActivities<Steps>({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 1 } });

export async function oneStep(fails = false): Promise<void> {
  await step(fails);
}

export async function failsUntilReplayed(): Promise<void> {
  await step(workflowInfo().memo?.['batchtrailReplay'] === undefined);
}

/** Goes on until it is told to end. */
export async function waits(): Promise<void> {
  let isOver = false;
  setHandler(defineSignal('end'), () => void (isOver = true));
  await step(false);
  await condition(() => isOver);
}

/** The last of its line fails, and its parents bear it. */
export async function parentOf(children: number): Promise<void> {
  if (children === 0) await step(true);
  else await executeChild(parentOf, { args: [children - 1] }).catch(() => undefined);
}
