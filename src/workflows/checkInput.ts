import { ApplicationFailure } from '@temporalio/common';
import { redact } from '../domain/redact.js';

/** Ends the run when its input is bad. Temporal would try the task for ever after any other error. */
export function checkInput<T>(check: (value: unknown) => T, value: unknown): T {
  try {
    return check(value);
  } catch (error) {
    throw ApplicationFailure.nonRetryable(redact((error as Error).message), 'BadInput');
  }
}
