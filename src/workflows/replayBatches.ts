/** Does all open batches again that a filter finds, some at once. */
import { rootCause, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowFailure,
  defineQuery,
  defineSignal,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import type {
  ReplayActivities,
  ReplayBatchesInput,
  ReplayInput,
  ReplayOutcome,
  ReplayProgress,
} from '../domain/replay.js';
import { checkReplayBatchesInput, PROGRESS_QUERY, reasonText, STOP_SIGNAL } from '../domain/replay.js';
import { checkInput } from './checkInput.js';
import { replayBatch } from './replayBatch.js';
import { together } from './together.js';

const DEFAULT_PARALLEL = 4;

const { findOpen } = proxyActivities<ReplayActivities>({
  startToCloseTimeout: '5 minutes',
  retry: { maximumAttempts: 10, nonRetryableErrorTypes: NON_RETRYABLE_ERRORS },
});

export async function replayBatches(input?: ReplayBatchesInput): Promise<ReplayProgress> {
  const { from, parallel, ...filter } = checkInput(checkReplayBatchesInput, input);
  const outcomes: ReplayOutcome[] = [];
  let batches: readonly number[] = [];
  let isStopped = false;
  const progress = (): ReplayProgress => ({ total: batches.length, outcomes });
  setHandler(defineQuery<ReplayProgress>(PROGRESS_QUERY), progress);
  setHandler(defineSignal(STOP_SIGNAL), () => void (isStopped = true));
  batches = await findOpen(filter);
  await together(
    batches.map((batchId) => async () => {
      if (!isStopped) outcomes.push(await outcomeOf({ batchId, from }));
    }),
    parallel ?? DEFAULT_PARALLEL,
  );
  return progress();
}

/** Under the workflow id that the command line takes, too: who comes second is told. */
async function outcomeOf(input: ReplayInput): Promise<ReplayOutcome> {
  const { batchId } = input;
  const workflowId = `replay-${batchId}`;
  try {
    return await executeChild(replayBatch, {
      ...{ workflowId, args: [input] },
      // What has begun is waited for by its own workflow, also when this one is terminated.
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      return { batchId, refused: `It is being replayed already: workflow ${workflowId}` };
    }
    if (isCancellation(error) || !(error instanceof ChildWorkflowFailure)) throw error;
    // The failures around it only say that an activity of a child has failed.
    const reason = reasonText(rootCause(error) ?? error.message);
    return { batchId, refused: `Workflow ${workflowId} failed: ${reason}` };
  }
}
