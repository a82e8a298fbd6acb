import { storable } from '../domain/text.js';

/** Temporal takes no message over its size limits: the run would hang on an attempt that can't be reported. */
const LONGEST_TEXT = 64 * 1024;

/**
 * Makes an error fit to be reported to Temporal, once its whole text is in the audit: passwords in URLs are taken out
 * before they reach the workflow's history, a half surrogate pair (which stops the SDK's worker) is replaced, and a text
 * that is too long is shortened and says so.
 */
export function makeReportable(error: unknown): void {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  ) {
    replace(current, 'message');
    replace(current, 'stack');
  }
}

function replace(error: Error, name: 'message' | 'stack'): void {
  const text = error[name];
  if (typeof text !== 'string') return;
  const reportable = shorten(storable(text));
  if (reportable === text) return;
  Object.defineProperty(error, name, { value: reportable, configurable: true, writable: true });
}

function shorten(text: string): string {
  if (text.length <= LONGEST_TEXT) return text;
  return `${text.slice(0, LONGEST_TEXT)}… (shortened from ${text.length} characters; the whole text is in the step's event in PipelineEvent)`;
}
