import { ApplicationFailure } from '@temporalio/common';
import { shortened, storable } from '../domain/text.js';
import { errorType, textOf } from './describeError.js';

/** Temporal takes no message over its size limits: the run would hang on an attempt that can't be reported. */
const LONGEST_TEXT = 64 * 1024;

/**
 * The error as it can be reported to Temporal, once its whole text is in the audit: passwords in URLs are taken out
 * before they reach the workflow's history, a half surrogate pair (which stops the SDK's worker) is replaced, and a
 * text that is too long is shortened and says so. What needs no change is changed in nothing.
 */
export function reportable(error: unknown): unknown {
  if (!(error instanceof Error))
    return ApplicationFailure.retryable(fitting(textOf(error)), errorType(error));
  for (let current: Error = error, depth = 0; depth < 8; depth++) {
    replace(current, 'message');
    replace(current, 'stack');
    if (!(current.cause instanceof Error)) {
      if (typeof current.cause === 'string') replace(current, 'cause');
      break;
    }
    current = current.cause;
  }
  return error;
}

function replace(error: Error, name: 'message' | 'stack' | 'cause'): void {
  const text = error[name];
  if (typeof text !== 'string') return;
  const fit = fitting(text);
  if (fit === text) return;
  // A frozen error stays as it is: it is the user's, and worth more than our wish to change it.
  Reflect.defineProperty(error, name, { value: fit, configurable: true, writable: true });
}

function fitting(text: string): string {
  return shortened(storable(text), LONGEST_TEXT, "the step's event in PipelineEvent");
}
