/** One event of a history: what its fields say, in the audit's words. */
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import { describeError } from './describeError.js';
import type { ErrorText } from './describeError.js';

export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const { WorkflowTaskFailedCause } = proto.temporal.api.enums.v1;

/** What Temporal writes between the events that a reset run took over and its own. */
export function isReset({ workflowTaskFailedEventAttributes }: HistoryEvent): boolean {
  const { WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW } = WorkflowTaskFailedCause;
  return workflowTaskFailedEventAttributes?.cause === WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW;
}

export async function errorText(
  failure: temporal.api.failure.v1.IFailure | null | undefined,
  converter: LoadedDataConverter,
): Promise<ErrorText | undefined> {
  if (!failure) return undefined;
  const error = await quietly(() => decodeOptionalFailureToOptionalError(converter, failure));
  return error ? describeError(error) : { type: 'Error', message: storable(failure.message ?? '') };
}

/** A payload that this worker can't decode says nothing, and must not stop the batch from being closed. */
export async function quietly<T>(decode: () => Promise<T>): Promise<T | undefined> {
  try {
    return await decode();
  } catch {
    return undefined;
  }
}

export function time(timestamp: HistoryEvent['eventTime']): string {
  return isoTime(Number(timestamp?.seconds ?? 0) * 1000 + (timestamp?.nanos ?? 0) / 1e6);
}

/** Search attributes come as a value or a list of one. */
function single(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

export function text(value: unknown): string | null {
  const only = single(value);
  return typeof only === 'string' ? only : null;
}

export function instant(value: unknown): string | null {
  const only = single(value);
  const date = only instanceof Date ? only : typeof only === 'string' ? new Date(only) : undefined;
  return date && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
}
