import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import { logStep } from '../../src/workflow.js';
import type { activities } from '../endings/activities.js';

const { step } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  // An attempt that is used up ends the run.
  retry: { maximumAttempts: 1 },
});

export const proceed = defineSignal('proceed');

/** Steps that take half a second each. */
export async function slowSteps(count: number): Promise<void> {
  for (let number = 0; number < count; number++) await step({ slow: { attempts: 1, ms: 500 } });
}

/** A step, a wait for a signal, a step. */
export async function signalled(): Promise<void> {
  let proceeding = false;
  setHandler(proceed, () => void (proceeding = true));
  await step();
  await condition(() => proceeding);
  await step();
}

/** Says something before its first step, in the workflow task that has to wait for the store. */
export async function talking(): Promise<void> {
  logStep('begin', { message: 'said first' });
  await step();
  logStep('end', { message: 'said last' });
}

/** Is over within its first workflow task. */
export async function sayingOnly(): Promise<void> {
  logStep('only', { message: 'that is all' });
}
