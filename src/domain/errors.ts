/**
 * Errors that a person can mend. The message names the value, the state and the remedy, and holds no password.
 *
 * A class can't be recognised across the workflow boundary, so the `name` is what counts there: Temporal takes it as
 * the failure's type, and the ready-made pipelines list these names as non-retryable.
 */
import { redact } from './redact.js';

class MendableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(redact(message), options);
  }
}

/** What was asked for can't be done as it was asked. */
export class BadInput extends MendableError {
  override readonly name = 'BadInput';
}

/** A table, script or connection that the input names and that is not there. */
export class NotFound extends MendableError {
  override readonly name = 'NotFound';
}

/** The configuration (file, environment, plugin options) can't be used as it is. */
export class BadConfig extends MendableError {
  override readonly name = 'BadConfig';
}

/** A server does not answer. That may pass by itself, and a worker waits for it; who only asks is told what to check. */
export class Unreachable extends MendableError {
  override readonly name = 'Unreachable';
}

export const NON_RETRYABLE_ERRORS = ['BadInput', 'NotFound', 'BadConfig'];
