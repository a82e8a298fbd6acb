/** Waits for what becomes of a run. */
import { Context } from '@temporalio/activity';
import { CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import { describeError } from '../audit/describeError.js';
import type { ReplayEnd, ReplayRun } from '../domain/replay.js';
import { reasonText } from '../domain/replay.js';

/** Of the run, or of the last one that goes on from it. */
export async function endOf({ workflowId, runId }: ReplayRun): Promise<ReplayEnd> {
  try {
    await Context.current().client.workflow.getHandle(workflowId, runId).result();
    return { status: 'Success' };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { cause } = error;
    return {
      status:
        cause instanceof CancelledFailure
          ? 'Cancelled'
          : cause instanceof TerminatedFailure
            ? 'Terminated'
            : cause instanceof TimeoutFailure
              ? 'TimedOut'
              : 'Error',
      error: reasonText(describeError(cause ?? error).message),
    };
  }
}
