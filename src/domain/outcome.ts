/**
 * Whether Temporal will try a failed attempt again. This is a prediction, made by the rules the server follows; the
 * history settles it when the batch is closed.
 */
import type { RetryStatus } from './model.js';

export interface FailedAttempt {
  readonly attempt: number;
  readonly errorType: string;
  readonly nonRetryable: boolean;
  /** The error's own wish for the next interval. */
  readonly nextRetryDelayMs: number | undefined;
  readonly failedAt: number;
  /** When the activity was scheduled first, and how long all its attempts may take; 0 is no limit. */
  readonly scheduledAt: number;
  readonly scheduleToCloseMs: number;
  readonly policy: {
    readonly initialIntervalMs: number;
    readonly backoffCoefficient: number;
    readonly maximumIntervalMs: number;
    readonly maximumAttempts: number;
    readonly nonRetryableErrorTypes: readonly string[];
  };
}

export type Outcome =
  | { readonly type: 'retry'; readonly retryStatus: RetryStatus; readonly nextRetryAt: number }
  | { readonly type: 'failure'; readonly retryStatus: RetryStatus };

export function predictOutcome(failed: FailedAttempt): Outcome {
  const { attempt, policy } = failed;
  if (failed.nonRetryable || policy.nonRetryableErrorTypes.includes(failed.errorType)) {
    return { type: 'failure', retryStatus: 'non-retryable' };
  }
  if (policy.maximumAttempts > 0 && attempt >= policy.maximumAttempts) {
    return { type: 'failure', retryStatus: 'exhausted' };
  }
  const nextRetryAt = failed.failedAt + (failed.nextRetryDelayMs ?? interval(failed));
  const expires = failed.scheduleToCloseMs > 0 ? failed.scheduledAt + failed.scheduleToCloseMs : Infinity;
  return nextRetryAt > expires
    ? { type: 'failure', retryStatus: 'exhausted' }
    : { type: 'retry', retryStatus: 'retrying', nextRetryAt };
}

function interval({ attempt, policy }: FailedAttempt): number {
  const grown = policy.initialIntervalMs * policy.backoffCoefficient ** (attempt - 1);
  return policy.maximumIntervalMs > 0 ? Math.min(grown, policy.maximumIntervalMs) : grown;
}
