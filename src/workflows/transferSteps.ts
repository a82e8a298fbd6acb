/** The activities of the transfers, with the patience that each needs. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import type { TransferActivities } from '../domain/transfer.js';

const retry = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '1 minute',
  maximumAttempts: 10,
  nonRetryableErrorTypes: NON_RETRYABLE_ERRORS,
};

const common = {
  startToCloseTimeout: '24 hours',
  // A worker that died is missed after this time, and as long a step may keep its worker busy without a word.
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} as const;

export const steps = proxyActivities<Omit<TransferActivities, 'holdSnapshot'>>({ ...common, retry });

/** A second attempt would hold another snapshot, and all that was extracted from the first would be worth nothing. */
export const { holdSnapshot } = proxyActivities<Pick<TransferActivities, 'holdSnapshot'>>({
  ...common,
  heartbeatTimeout: '10 seconds',
  retry: { maximumAttempts: 1 },
});
