import { redact } from '../domain/redact.js';

/** Takes passwords in URLs out of an error before Temporal writes it into the workflow's history. */
export function redactError(error: unknown): void {
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
  const redacted = redact(text);
  if (redacted !== text)
    Object.defineProperty(error, name, { value: redacted, configurable: true, writable: true });
}
