/** Workflows that end in every way a workflow can end. */
import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  executeChild,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';
import { logStep } from '../../src/workflow.js';
import type { activities, StepInput } from './activities.js';

type Activities = typeof activities;
const QUICK: ActivityOptions = {
  startToCloseTimeout: '10s',
  heartbeatTimeout: '5s',
  retry: { initialInterval: '100ms', backoffCoefficient: 1 },
};

export const proceed = defineSignal('proceed');
export const progress = defineQuery<number>('progress');

export async function oneStep(input: StepInput = {}, options: ActivityOptions = {}): Promise<unknown> {
  return proxyActivities<Activities>({ ...QUICK, ...options }).step(input);
}

export async function threeSteps(): Promise<{ steps: number }> {
  const { step } = proxyActivities<Activities>(QUICK);
  let steps = 0;
  setHandler(progress, () => steps);
  for (; steps < 3; steps++) await step({ rows: 10 });
  logStep('done', { message: 'all three', sequence: 4 });
  return { steps };
}

/** A step, a wait for a signal, a step. */
export async function twoHalves(second: StepInput = {}): Promise<void> {
  const { step } = proxyActivities<Activities>(QUICK);
  let proceeding = false;
  setHandler(proceed, () => void (proceeding = true));
  await step({ rows: 1 });
  await condition(() => proceeding);
  await step(second);
}

export async function untilCancelled(cancellationType: ActivityCancellationType): Promise<void> {
  await proxyActivities<Activities>({ ...QUICK, cancellationType }).untilCancelled();
}

export async function sleeping(): Promise<void> {
  await sleep('1h');
}

export async function programmingError(): Promise<void> {
  await sleep(1);
  (undefined as unknown as { rows: number }).rows.toFixed();
}

export async function continuing(runs: number): Promise<void> {
  await proxyActivities<Activities>(QUICK).step();
  if (runs > 1) await continueAsNew<typeof continuing>(runs - 1);
}

export async function parent(): Promise<void> {
  await executeChild(oneStep, { workflowId: `${workflowInfo().workflowId}-child`, args: [{}] });
}

export async function failingFirst(): Promise<void> {
  await proxyActivities<Activities>(QUICK).step();
  if (workflowInfo().attempt === 1)
    throw ApplicationFailure.create({ message: 'first try fails', type: 'Fault' });
}

export async function localSteps(input: StepInput): Promise<void> {
  const options: LocalActivityOptions = {
    startToCloseTimeout: '10s',
    retry: { initialInterval: '50ms', backoffCoefficient: 1 },
  };
  const { step } = proxyLocalActivities<Activities>(options);
  await step({ rows: 1 });
  await step(input);
}

export async function completedElsewhere(): Promise<void> {
  await proxyActivities<Activities>(QUICK).completedElsewhere();
}

export async function parallelSteps(count: number): Promise<void> {
  const { step } = proxyActivities<Activities>(QUICK);
  await Promise.all(Array.from({ length: count }, () => step({ rows: 1 })));
}

/** An id of the user's own, used twice: Temporal allows that once the first activity has ended. */
export async function sameIdTwice(): Promise<void> {
  const { step } = proxyActivities<Activities>({ ...QUICK, activityId: 'load' });
  await step({ failures: 1, rows: 10 });
  await step({ rows: 32 });
}

/** Of many at once, on any machine: no step of it is lost because the others take long. */
export async function fiveSteps(): Promise<void> {
  const { step } = proxyActivities<Activities>({ startToCloseTimeout: '2 minutes', retry: QUICK.retry! });
  for (let i = 0; i < 5; i++) await step({ rows: 1 });
}

/** Goes on after a step failed for good, and after a cancelled step. */
export async function tolerant(): Promise<string> {
  const { step } = proxyActivities<Activities>({ ...QUICK, retry: { maximumAttempts: 1 } });
  try {
    await step({ failures: 9 });
  } catch {
    logStep('tolerated', { status: 'warning' });
  }
  try {
    await CancellationScope.cancellable(async () => {
      const running = step({ slow: { attempts: 1, ms: 60_000 }, heartbeat: true });
      await sleep(500);
      CancellationScope.current().cancel();
      await running;
    });
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
  return 'went on';
}
