import {
  ActivityCancellationType,
  condition,
  defineSignal,
  proxyActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import { logStep } from '../../src/workflow.js';
import type { activities } from '../endings/activities.js';

const { step } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  // An attempt that is used up ends the run.
  retry: { maximumAttempts: 1 },
});

const impatient = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 second',
  retry: { maximumAttempts: 1 },
});

export const proceed = defineSignal('proceed');

/** One step, which may take five seconds. */
export async function hurriedStep(): Promise<void> {
  await proxyActivities<typeof activities>({
    startToCloseTimeout: '5 seconds',
    retry: { maximumAttempts: 1 },
  }).step();
}

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

/** A step whose end is waited for, also when it is cancelled. */
export async function awaitedStep(): Promise<void> {
  await proxyActivities<typeof activities>({
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: '5 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { maximumAttempts: 1 },
  }).step();
}

/** Moves on by timers alone. */
export async function ticking(count: number): Promise<void> {
  for (let number = 0; number < count; number++) await sleep(200);
}

/** A step that has to say within a second that it is alive, and does while it runs. */
export async function beatingStep(ms: number): Promise<void> {
  await impatient.step({ slow: { attempts: 1, ms }, heartbeat: true });
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
