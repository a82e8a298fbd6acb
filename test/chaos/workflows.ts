/** Pipelines that end in all ways. Activities have the ids that the SDK counts, and timeouts of a few seconds. */
import {
  ActivityFailure,
  condition,
  continueAsNew,
  defineSignal,
  executeChild,
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ActivityOptions } from '@temporalio/workflow';
import type { ChaosActivities, StepInput } from './activities.js';

/** So short that the attempt of a worker that was killed is soon tried again. */
const OPTIONS: ActivityOptions = {
  startToCloseTimeout: '4s',
  heartbeatTimeout: '1500ms',
  retry: { initialInterval: '100ms', backoffCoefficient: 1.5, maximumInterval: '1s' },
};

export const proceed = defineSignal('proceed');

type StepOptions = Pick<ActivityOptions, 'startToCloseTimeout' | 'heartbeatTimeout' | 'retry'>;

function stepWith(options: StepOptions): ChaosActivities['step'] {
  return proxyActivities<ChaosActivities>({ ...OPTIONS, ...options }).step;
}

/** The steps of each stage run side by side, the stages one after the other. */
export async function pipeline(stages: StepInput[][], options: StepOptions = {}): Promise<void> {
  const step = stepWith(options);
  for (const stage of stages) await Promise.all(stage.map((input) => step(input)));
}

/** A step may fail for good, and the pipeline goes on. */
export async function tolerant(steps: StepInput[], options: StepOptions): Promise<void> {
  const step = stepWith(options);
  for (const input of steps) {
    try {
      await step(input);
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    }
  }
}

/** Some steps, a wait for a signal, more steps. */
export async function gated(before: StepInput[], after: StepInput[]): Promise<void> {
  const step = stepWith({});
  let mayProceed = false;
  setHandler(proceed, () => void (mayProceed = true));
  for (const input of before) await step(input);
  await condition(() => mayProceed);
  for (const input of after) await step(input);
}

export async function continuing(runs: number): Promise<void> {
  const step = stepWith({});
  await step({ ms: 100, failures: runs % 2 });
  if (runs > 1) await continueAsNew<typeof continuing>(runs - 1);
}

/** Children that succeed, and one that fails: the parent goes on. */
export async function parent(children: StepInput[]): Promise<void> {
  const { workflowId } = workflowInfo();
  await stepWith({})();
  await Promise.all(
    children.map((input, index) =>
      executeChild(pipeline, {
        workflowId: `${workflowId}-child-${index}`,
        args: [[[input]], { retry: { maximumAttempts: 2 } }],
        workflowTaskTimeout: '2s',
      }).catch((error: unknown) => {
        if (isCancellation(error)) throw error;
      }),
    ),
  );
}
