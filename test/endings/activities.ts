/** Activities that end in every way an activity can end. */
import { CompleteAsyncError, Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';

export interface StepInput {
  /** How many attempts fail before one succeeds. */
  failures?: number;
  nonRetryable?: boolean;
  nextRetryDelayMs?: number;
  /** Attempts up to this number take `ms`; later ones nothing. */
  slow?: { attempts: number; ms: number };
  heartbeat?: boolean;
  rows?: number;
  /** Fails until `mend` is called with this key; for good, unless `nonRetryable` is false. */
  broken?: string;
}

const mended = new Set<string>();
export const mend = (key: string): void => void mended.add(key);

export const activities = {
  async step({
    failures = 0,
    nonRetryable,
    nextRetryDelayMs,
    slow,
    heartbeat,
    rows,
    broken,
  }: StepInput = {}) {
    const { info } = Context.current();
    if (slow && info.attempt <= slow.attempts) await (heartbeat ? heartbeating(slow.ms) : wait(slow.ms));
    if (broken !== undefined && !mended.has(broken)) {
      throw ApplicationFailure.create({
        message: 'broken',
        type: 'Fault',
        nonRetryable: nonRetryable ?? true,
      });
    }
    if (info.attempt <= failures) {
      throw ApplicationFailure.create({
        message: `fault at attempt ${info.attempt}`,
        type: 'Fault',
        nonRetryable: nonRetryable ?? false,
        ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelay: nextRetryDelayMs }),
      });
    }
    return rows === undefined ? undefined : { rowsProcessed: rows };
  },

  /** Runs until it is cancelled. */
  async untilCancelled(): Promise<void> {
    await heartbeating(60_000);
  },

  /** Completed from outside, by its task token. */
  async completedElsewhere(): Promise<void> {
    throw new CompleteAsyncError();
  },
};

/** Real time passes here because the case is about Temporal's own timeouts. */
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function heartbeating(ms: number): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 50);
  try {
    await Promise.race([wait(ms), context.cancelled]);
  } finally {
    clearInterval(beat);
  }
}
