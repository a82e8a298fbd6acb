import { ApplicationFailure } from '@temporalio/common';
import { redact } from '../domain/redact.js';

/** Ends the run when its input is bad. Temporal would try the task for ever after any other error. */
export function checkInput<V, T>(check: (value: V) => T, value: V): T {
  try {
    return check(value);
  } catch (error) {
    throw ApplicationFailure.nonRetryable(redact((error as Error).message), 'BadInput');
  }
}
