/** Activities that tell a journal of each attempt before it works. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Journal } from './journal.js';

export interface StepInput {
  /** How long an attempt works. */
  readonly ms?: number;
  /** How many attempts fail before one succeeds. */
  readonly failures?: number;
  readonly nonRetryable?: boolean;
  /** Attempts up to this number work longer than any timeout allows. */
  readonly stuck?: number;
  /** Does not heartbeat. */
  readonly silent?: boolean;
  readonly rows?: number;
}

const STUCK_MS = 20_000;
const HEARTBEAT_MS = 100;

export type ChaosActivities = ReturnType<typeof createActivities>;

export function createActivities(journal: Journal) {
  return {
    async step(input: StepInput = {}): Promise<{ rowsProcessed: number }> {
      const { info } = Context.current();
      journal.write({
        RunID: info.workflowExecution!.runId,
        ActivityID: info.activityId,
        Attempt: info.attempt,
        scheduledAt: info.scheduledTimestampMs,
        at: Date.now(),
      });
      const { ms = 50, failures = 0, nonRetryable = false, stuck = 0, silent = false, rows = 1 } = input;
      await work(info.attempt <= stuck ? STUCK_MS : ms, silent);
      if (info.attempt <= failures) {
        throw ApplicationFailure.create({
          message: `fault at attempt ${info.attempt}`,
          type: 'Fault',
          nonRetryable,
        });
      }
      return { rowsProcessed: rows };
    },
  };
}

/** Work is time that passes here, until Temporal cancels the attempt. */
async function work(ms: number, silent: boolean): Promise<void> {
  const context = Context.current();
  const beat = silent ? undefined : setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    await context.sleep(ms);
  } finally {
    clearInterval(beat);
  }
}
