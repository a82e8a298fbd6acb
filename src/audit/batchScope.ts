/** What an activity can say about itself while it runs: `batch()`. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogDetails } from '../domain/logLine.js';
import type { ReportedCounts } from '../domain/counts.js';

export interface Batch {
  /** The BatchID: `Audit.PipelineLog.LogID`. Stamp it on every row that this activity loads. */
  readonly id: number;
  readonly pipeline: string;
  /** The attempt of this activity, from 1. */
  readonly attempt: number;
  /** Row counts of this step; a later call overrides what an earlier one gave. */
  rows(counts: ReportedCounts): void;
  /** A sentence for people: the step's Message and the batch's CustomMessage. */
  message(text: string): void;
  /** A line in the batch's timeline, under a step name of its own. */
  log(step: string, details?: LogDetails): void;
}

/** What the ready-made activities need to know beyond that. */
export interface BatchStep extends Batch {
  /** The audit store that gave the BatchID: another one may have given the same number. */
  readonly storeID: string;
  readonly runID: string;
}

const scope = new AsyncLocalStorage<BatchStep>();

/** The batch that the running activity belongs to. */
export function batch(): Batch {
  return batchStep();
}

export function batchStep(): BatchStep {
  const current = scope.getStore();
  if (!current) {
    throw new Error(
      'batch() was called outside an audited activity. Call it inside an activity, in a worker that has the BatchtrailPlugin',
    );
  }
  return current;
}

export function runInBatch<T>(current: BatchStep, work: () => T): T {
  return scope.run(current, work);
}
