/** A pipeline of two steps, beside the ready-made replay. */
import { continueAsNew, executeChild, proxyActivities } from '@temporalio/workflow';

export { replayBatch, replayBatches } from '../../src/workflows/index.js';

export interface Steps {
  step(name: string): Promise<void>;
}

const { step } = proxyActivities<Steps>({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 1 } });

export async function twoSteps(file: string): Promise<string> {
  await step(`read ${file}`);
  await step(`load ${file}`);
  return `${file} is in`;
}

/** With an input as pipelines have it. */
export async function loadFile({ name }: { name: string }): Promise<void> {
  await step(`load ${name}`);
}

/** Goes on in another run before it does anything that may fail. */
export async function twoRuns(file: string, isSecond = false): Promise<void> {
  if (!isSecond) await continueAsNew<typeof twoRuns>(file, true);
  await step(`load ${file}`);
}

/** Goes on in another run between two steps, each of which has one before it that is not to be done again. */
export async function stepsInTwoRuns(file: string, isSecond = false): Promise<void> {
  await step(isSecond ? `check ${file}` : `read ${file}`);
  await step(isSecond ? `load ${file}` : `copy ${file}`);
  if (!isSecond) await continueAsNew<typeof stepsInTwoRuns>(file, true);
}

/** The first one may fail. */
export async function stepsThatMayFail(file: string): Promise<void> {
  await step(`read ${file}`).catch(() => undefined);
  await step(`check ${file}`);
  await step(`load ${file}`);
}

/** One child may fail; of the other one it fails. */
export async function parent(optional: string, required: string): Promise<void> {
  await executeChild(twoSteps, { args: [optional] }).catch(() => undefined);
  await executeChild(twoSteps, { args: [required] });
}
