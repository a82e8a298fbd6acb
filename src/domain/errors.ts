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

/** The source's state that a transfer reads is gone, and with it all that was extracted from it. */
export class SnapshotLost extends MendableError {
  override readonly name = 'SnapshotLost';
}

/** Two counts that must be the same are not, so rows were lost or doubled; nothing of it stays in the target. */
export class CountsDiffer extends MendableError {
  override readonly name = 'CountsDiffer';
}

/** Rows in the target that no ledger entry of this audit store accounts for. Nobody may replace them unseen. */
export class UnlistedRows extends MendableError {
  override readonly name = 'UnlistedRows';
}

/** The target refuses rows, and the transfer was not allowed to leave them out. */
export class RowsRejected extends MendableError {
  override readonly name = 'RowsRejected';
}

/** Another batch moved meanwhile what this one was about to. No step fails of it: what is left is found out again. */
export class Overtaken extends MendableError {
  override readonly name = 'Overtaken';
}

/** What is told of a batch that was purged meanwhile. No later try changes that. */
export class BatchGone extends MendableError {
  override readonly name = 'BatchGone';

  constructor(logIDs: readonly number[], options?: ErrorOptions) {
    super(
      `Batch ${logIDs.join(', ')} is no longer in the audit: it was purged. What comes of it so late can't be recorded`,
      options,
    );
  }
}

export const NON_RETRYABLE_ERRORS = [
  ...['BadInput', 'NotFound', 'BadConfig'],
  ...['SnapshotLost', 'CountsDiffer', 'UnlistedRows', 'RowsRejected'],
];
