import { inspect } from 'node:util';
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { storable } from '../domain/text.js';

export interface ErrorText {
  readonly type: string;
  readonly message: string;
}

/** An error as the audit shows it: the type that Temporal matches retry policies with, and the message with its causes. */
export function describeError(error: unknown): ErrorText {
  if ((error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) && error.cause) {
    const { type, message } = describeError(error.cause);
    const step =
      error instanceof ActivityFailure ? error.activityType : (error.workflowType ?? 'child workflow');
    return { type, message: `${step}: ${message}` };
  }
  return { type: storable(errorType(error)), message: storable(messages(error).join(' — caused by: ')) };
}

/** The name by which a retry policy's `nonRetryableErrorTypes` knows an error. */
export function errorType(error: unknown): string {
  if (error instanceof ApplicationFailure) return error.type || 'ApplicationFailure';
  return error instanceof Error ? error.name : 'Error';
}

function messages(error: unknown): string[] {
  const chain: string[] = [];
  for (let current: unknown = error; current !== undefined && current !== null && chain.length < 8;) {
    const text = messageOf(current);
    // Wrappers often repeat what they wrap.
    if (text !== '' && !chain.some((known) => known.includes(text))) chain.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return chain;
}

function messageOf(error: unknown): string {
  if (error instanceof TimeoutFailure) return error.message || `${error.timeoutType} timeout`;
  if (error instanceof Error) return String(error.message);
  return textOf(error);
}

/** Any value as a text; users throw whatever they like, and telling of it must not fail. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return inspect(value, { depth: 2 });
  }
}
