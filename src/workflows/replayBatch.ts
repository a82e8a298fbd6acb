/** Does a failed batch again, and waits for what becomes of it. */
import { proxyActivities } from '@temporalio/workflow';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import type { ReplayActivities, ReplayInput, ReplayOutcome } from '../domain/replay.js';
import { checkReplayInput } from '../domain/replay.js';
import { checkInput } from './checkInput.js';

const retry = { initialInterval: '1 second', maximumInterval: '1 minute' } as const;

const { beginReplay } = proxyActivities<ReplayActivities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '1 minute',
  retry: { ...retry, maximumAttempts: 10, nonRetryableErrorTypes: NON_RETRYABLE_ERRORS },
});

/** As long as the batch takes. */
const { awaitReplay } = proxyActivities<ReplayActivities>({
  startToCloseTimeout: '365 days',
  heartbeatTimeout: '1 minute',
  // A run that was deleted has no end.
  retry: { ...retry, nonRetryableErrorTypes: ['WorkflowNotFoundError'] },
});

/** That it is refused, or fails again, is an outcome: the failed batch stays open, and this one has done its work. */
export async function replayBatch(input: ReplayInput): Promise<ReplayOutcome> {
  const checked = checkInput(checkReplayInput, input);
  const { batchId } = checked;
  const begun = await beginReplay(checked);
  if ('refused' in begun) return { batchId, ...begun };
  return { batchId, ...begun, ...(await awaitReplay(begun)) };
}
