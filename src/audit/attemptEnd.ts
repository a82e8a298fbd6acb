/** Reads from an attempt's error what becomes of the attempt. */
import type { Context, Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { msOptionalToNumber } from '@temporalio/common/lib/time.js';
import { predictOutcome } from '../domain/outcome.js';
import type { RetryStatus } from '../domain/model.js';
import { describeError, errorType } from './describeError.js';
import type { ErrorText } from './describeError.js';

export interface AttemptEndFacts {
  readonly type: 'failure' | 'retry' | 'cancelled';
  readonly error: ErrorText;
  readonly retryStatus: RetryStatus | null;
  readonly nextRetryAt: number | null;
}

/** What the server assumes where a policy says nothing. */
const SERVER_DEFAULTS = { initialIntervalMs: 1_000, backoffCoefficient: 2, longestInterval: 100 };

/** The signal is the one that ends the attempt when the activity is cancelled. */
export function attemptEnd(
  error: unknown,
  { info, cancellationDetails }: Context,
  signal: AbortSignal,
): AttemptEndFacts {
  const described = describeError(error);
  // Pausing or resetting an activity cancels the attempt and not the activity.
  const goesOn = cancellationDetails?.paused || cancellationDetails?.reset;
  if (!goesOn && isCancellation(error, signal)) {
    return { type: 'cancelled', error: described, retryStatus: null, nextRetryAt: null };
  }
  const outcome = predictOutcome({
    attempt: info.attempt,
    errorType: errorType(error),
    nonRetryable: error instanceof ApplicationFailure && error.nonRetryable === true,
    nextRetryDelayMs: error instanceof ApplicationFailure ? wishedDelay(error) : undefined,
    failedAt: Date.now(),
    scheduledAt: info.scheduledTimestampMs,
    scheduleToCloseMs: info.scheduleToCloseTimeoutMs,
    policy: policyOf(info),
  });
  return {
    type: outcome.type,
    error: described,
    retryStatus: outcome.retryStatus,
    nextRetryAt: outcome.type === 'retry' && outcome.nextRetryAt < END_OF_TIME ? outcome.nextRetryAt : null,
  };
}

/** The last moment that a date can name. */
const END_OF_TIME = 8.64e15;

/** A delay that can't be read is Temporal's to complain about. */
function wishedDelay({ nextRetryDelay }: ApplicationFailure): number | undefined {
  try {
    return msOptionalToNumber(nextRetryDelay ?? undefined);
  } catch {
    return undefined;
  }
}

/** Whether the error comes of the activity's cancellation. Shutting its worker down cancels the attempt only. */
export function isCancellation(error: unknown, signal: AbortSignal): boolean {
  const saysSo = error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
  if (!saysSo || !signal.aborted) return false;
  const reason = (signal.reason as Error | undefined)?.message;
  return reason === 'CANCELLED' || reason === 'NOT_FOUND';
}

function policyOf({ retryPolicy = {} }: Info) {
  const initialIntervalMs =
    msOptionalToNumber(retryPolicy.initialInterval) ?? SERVER_DEFAULTS.initialIntervalMs;
  return {
    initialIntervalMs,
    backoffCoefficient: retryPolicy.backoffCoefficient ?? SERVER_DEFAULTS.backoffCoefficient,
    maximumIntervalMs:
      msOptionalToNumber(retryPolicy.maximumInterval) ?? initialIntervalMs * SERVER_DEFAULTS.longestInterval,
    maximumAttempts: finite(retryPolicy.maximumAttempts),
    nonRetryableErrorTypes: retryPolicy.nonRetryableErrorTypes ?? [],
  };
}

/** "No limit" comes as undefined, 0 or Infinity. */
function finite(attempts: number | undefined): number {
  return attempts !== undefined && Number.isFinite(attempts) ? attempts : 0;
}
