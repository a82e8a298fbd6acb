/** Doing a failed batch again: the mark that its new run carries, and what the workflow and its activities say to each other. */
import { BadInput } from './errors.js';
import type { BatchStatus } from './model.js';
import type { Check } from './shape.js';
import { flag, object, oneOf, optional, positive, show, text } from './shape.js';
import { cut, storable } from './text.js';

/** In the memo of a run that does another one again. Runs that go on from it have the memo, too. */
export const REPLAY_MEMO = 'batchtrailReplay';

export interface ReplayMark {
  /** The run that failed. */
  readonly run: string;
  /** The LogIDs of its batch, and of those that it was a replay of: what they loaded makes room for what this one loads. */
  readonly batches: readonly number[];
  /** When the first of them started: what was new then is what this one moves. */
  readonly startTime: string;
  /** Who asked for this replay, so that who asks twice is known again. */
  readonly request: string;
}

export function replayMark(memo: Readonly<Record<string, unknown>> | undefined): ReplayMark | undefined {
  const mark = memo?.[REPLAY_MEMO];
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { run, batches, startTime, request } = mark as Partial<Record<keyof ReplayMark, unknown>>;
  const isMark =
    typeof run === 'string' &&
    Array.isArray(batches) &&
    batches.every((logID) => Number.isSafeInteger(logID)) &&
    typeof startTime === 'string' &&
    typeof request === 'string';
  return isMark ? { run, batches: batches as number[], startTime, request } : undefined;
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
  /** What differs from the batch that it does again. */
  readonly note?: string;
}

export interface Refusal {
  readonly refused: string;
}

export function refuse(reason: string): Refusal {
  return { refused: reason };
}

const LONGEST_REASON = 500;

/** What others say of a failure, without secrets; as long as `MOST_REPLAYS` of them still fit in one answer. */
export function reasonText(message: string): string {
  const reason = storable(message);
  return reason.length > LONGEST_REASON ? `${cut(reason, LONGEST_REASON)}…` : reason;
}

export interface ReplayEnd {
  readonly status: Exclude<BatchStatus, 'Running' | 'Continued'>;
  /** Why it failed again. */
  readonly error?: string;
}

/** It has begun, and no worker does it. */
export interface ReplayWait {
  readonly waits: string;
}

export type ReplayOutcome = { readonly batchId: number } & (Refusal | (ReplayRun & (ReplayEnd | ReplayWait)));

/** Which open batches are replayed. */
export interface OpenFilter {
  /** Those that started then or later. */
  readonly since?: string | undefined;
  readonly pipeline?: string | undefined;
  /** A part of the error, the pipeline's name or the workflow id. */
  readonly error?: string | undefined;
  /** The oldest so many. Default: 100. */
  readonly limit?: number | undefined;
}

export interface ReplayBatchesInput extends OpenFilter {
  readonly from?: ReplayFrom | undefined;
  /** How many at once. Default: 4. */
  readonly parallel?: number | undefined;
}

export interface ReplayProgress {
  /** How many were chosen; those without an outcome were not begun, when it has ended. */
  readonly total: number;
  readonly outcomes: readonly ReplayOutcome[];
}

/** The names under which `replayBatches` is asked how far it is, and told to begin no more. */
export const PROGRESS_QUERY = 'progress';
export const STOP_SIGNAL = 'stop';

export interface ReplayActivities {
  /** The LogIDs, the oldest first. */
  findOpen(filter: OpenFilter): Promise<number[]>;
  beginReplay(input: ReplayInput): Promise<ReplayRun | Refusal>;
  /** Returns when the run, and those that go on from it, have ended, or when no worker does it. */
  awaitReplay(run: ReplayRun): Promise<ReplayEnd | ReplayWait>;
}

const check: Check<ReplayInput> = object({
  batchId: positive,
  from: optional(oneOf(...REPLAY_FROM)),
  force: optional(flag),
});

const checkMany: Check<ReplayBatchesInput> = object({
  since: optional(text),
  pipeline: optional(text),
  error: optional(text),
  limit: optional(positive),
  from: optional(oneOf(...REPLAY_FROM)),
  parallel: optional(positive),
});

/** A workflow's history has room for so many. */
const MOST_REPLAYS = 1_000;

export function checkReplayBatchesInput(value: unknown): ReplayBatchesInput {
  const input = checkMany(value ?? {}, 'replayBatches input');
  const { since, limit = 0 } = input;
  if (limit > MOST_REPLAYS) {
    throw new BadInput(`replayBatches input.limit must be at most ${MOST_REPLAYS}, not ${limit}`);
  }
  if (since !== undefined && Number.isNaN(Date.parse(since))) {
    throw new BadInput(
      `replayBatches input.since must be a time like 2026-11-01T06:00:00Z, not ${show(since)}`,
    );
  }
  return input;
}

export function checkReplayInput(value: unknown): ReplayInput {
  return check(value, 'replayBatch input');
}
