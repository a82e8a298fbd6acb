/** Errors on their way from a thread to another, which would be plain ones there, without a code. */
import {
  BadConfig,
  BadInput,
  NotFound,
  Overtaken,
  RowsRejected,
  UnlistedRows,
} from '../../../domain/errors.js';

/** Those that a load in a thread may end with. */
const TYPED = { BadConfig, BadInput, NotFound, Overtaken, RowsRejected, UnlistedRows };

export interface PassedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** As drivers and Node have it. */
  readonly code?: unknown;
  readonly cause?: PassedError | undefined;
}

export function packError(error: unknown): PassedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, code, cause } = error as NodeJS.ErrnoException;
  return { name, message, stack, code, cause: cause === undefined ? undefined : packError(cause) };
}

export function unpackError({ name, message, stack, code, cause }: PassedError): Error {
  const options = cause ? { cause: unpackError(cause) } : {};
  const error = Object.hasOwn(TYPED, name)
    ? new TYPED[name as keyof typeof TYPED](message, options)
    : Object.assign(new Error(message, options), { name }, code === undefined ? {} : { code });
  if (stack !== undefined) error.stack = stack;
  return error;
}
