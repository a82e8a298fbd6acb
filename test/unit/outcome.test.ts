import { describe, expect, it } from 'vitest';
import { predictOutcome } from '../../src/domain/outcome.js';
import type { FailedAttempt } from '../../src/domain/outcome.js';

const policy = {
  initialIntervalMs: 1_000,
  backoffCoefficient: 2,
  maximumIntervalMs: 10_000,
  maximumAttempts: 0,
  nonRetryableErrorTypes: ['Fatal'],
};

function outcome(
  more: Partial<Omit<FailedAttempt, 'policy'>> = {},
  policyMore: Partial<FailedAttempt['policy']> = {},
) {
  return predictOutcome({
    attempt: 1,
    errorType: 'Fault',
    nonRetryable: false,
    nextRetryDelayMs: undefined,
    failedAt: 100_000,
    scheduledAt: 100_000,
    scheduleToCloseMs: 0,
    ...more,
    policy: { ...policy, ...policyMore },
  });
}

const retryAt = (nextRetryAt: number) => ({ type: 'retry', retryStatus: 'retrying', nextRetryAt });
const final = (retryStatus: string) => ({ type: 'failure', retryStatus });

describe('a failed attempt', () => {
  it.each([
    ['is tried again after the first interval', outcome(), retryAt(101_000)],
    ['waits twice as long each time', outcome({ attempt: 3 }), retryAt(104_000)],
    ['waits at most the maximum interval', outcome({ attempt: 9 }), retryAt(110_000)],
    ['waits as long as its error asks', outcome({ nextRetryDelayMs: 70 }), retryAt(100_070)],
    ['is final when its error says so', outcome({ nonRetryable: true }), final('non-retryable')],
    ['is final when the policy names its type', outcome({ errorType: 'Fatal' }), final('non-retryable')],
    ['is final at the last attempt', outcome({ attempt: 3 }, { maximumAttempts: 3 }), final('exhausted')],
    [
      'is tried again before the last attempt',
      outcome({ attempt: 2 }, { maximumAttempts: 3 }),
      retryAt(102_000),
    ],
    ['is final when the next try comes too late', outcome({ scheduleToCloseMs: 999 }), final('exhausted')],
    ['is tried again when there is just time', outcome({ scheduleToCloseMs: 1_000 }), retryAt(101_000)],
  ])('%s', (_name, actual, expected) => expect(actual).toEqual(expected));
});
