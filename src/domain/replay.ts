/** Doing a failed batch again: the mark that its new run carries, and what the workflow and its activities say to each other. */
import type { BatchStatus } from './model.js';
import type { Check } from './shape.js';
import { flag, object, oneOf, optional, positive } from './shape.js';

/** In the memo of a run that does another one again. Runs that go on from it have the memo, too. */
export const REPLAY_MEMO = 'batchtrailReplay';

export interface ReplayMark {
  /** The run that failed. */
  readonly run: string;
  /** The LogIDs of its batch, and of those that it was a replay of: what they loaded makes room for what this one loads. */
  readonly batches: readonly number[];
  /** Who asked for this replay, so that who asks twice is known again. */
  readonly request: string;
}

export function replayMark(memo: Readonly<Record<string, unknown>> | undefined): ReplayMark | undefined {
  const mark = memo?.[REPLAY_MEMO];
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { run, batches, request } = mark as Partial<Record<keyof ReplayMark, unknown>>;
  const isMark =
    typeof run === 'string' &&
    Array.isArray(batches) &&
    batches.every((logID) => Number.isSafeInteger(logID)) &&
    typeof request === 'string';
  return isMark ? { run, batches: batches as number[], request } : undefined;
}

export const REPLAY_FROM = ['start', 'failure'] as const;
/** `start`: a new run with the same input. `failure`: the same batch goes on from before its first step that failed. */
export type ReplayFrom = (typeof REPLAY_FROM)[number];

export interface ReplayInput {
  /** The LogID of the batch. */
  readonly batchId: number;
  /** Default: `start`. */
  readonly from?: ReplayFrom | undefined;
  /** Also a batch that is not open. */
  readonly force?: boolean | undefined;
}

/** The run that does the batch again. */
export interface ReplayRun {
  readonly workflowId: string;
  readonly runId: string;
}

export interface Refusal {
  readonly refused: string;
}

export interface ReplayEnd {
  readonly status: Exclude<BatchStatus, 'Running' | 'Continued'>;
  /** Why it failed again. */
  readonly error?: string;
}

export type ReplayOutcome = { readonly batchId: number } & (Refusal | (ReplayRun & ReplayEnd));

export interface ReplayActivities {
  beginReplay(input: ReplayInput): Promise<ReplayRun | Refusal>;
  /** Returns when the run, and those that go on from it, have ended. */
  awaitReplay(run: ReplayRun): Promise<ReplayEnd>;
}

const check: Check<ReplayInput> = object({
  batchId: positive,
  from: optional(oneOf(...REPLAY_FROM)),
  force: optional(flag),
});

export function checkReplayInput(value: unknown): ReplayInput {
  return check(value, 'replayBatch input');
}
