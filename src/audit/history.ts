/** Reads Temporal's history as the second witness: what it proves about a run, in the audit's words. */
import { hash } from 'node:crypto';
import type { LoadedDataConverter } from '@temporalio/common';
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
  decodeOptionalSinglePayload,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import { returnedCounts } from '../domain/counts.js';
import type { InputPolicy } from '../domain/inputPolicy.js';
import type { BatchStatus, Counts, RetryStatus, RunStart } from '../domain/model.js';
import { pipelineName } from '../domain/pipeline.js';
import { REPLAY_MEMO, replayMark } from '../domain/replay.js';
import { stepID } from '../domain/stepID.js';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import { describeError } from './describeError.js';
import type { ErrorText } from './describeError.js';
import type { RunInput } from './recordedInput.js';
import { runInput } from './recordedInput.js';

export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

export interface RunHistory {
  readonly start: RunStart;
  readonly end: RunEnd | undefined;
  readonly activities: HistoryActivity[];
  /** The number of the last event; null where there is no history: for an activity that no workflow started. */
  readonly lastEventID: number | null;
  /** The run that this one was reset from. */
  readonly baseRunID: string | null;
  /** Where it was reset, and the runs before it were: what these had done in that time is done again. */
  readonly redone: readonly TimeSpan[];
  /** Of the ids, types and times of its events; null where there is no history. */
  readonly historyHash: string | null;
  /** Null where there is no history. */
  readonly input: RunInput | null;
}

export interface TimeSpan {
  readonly from: string;
  readonly to: string;
}

export interface RunEnd {
  readonly status: BatchStatus;
  readonly time: string;
  readonly error: ErrorText | undefined;
  readonly counts: Partial<Counts>;
  /** A reset ended this run: its batch goes on in another one. */
  readonly byReset: boolean;
  /** The workflow's own retry policy goes on in another run. */
  readonly willRetry: boolean;
}

export interface HistoryActivity {
  readonly ActivityID: string;
  readonly StepName: string;
  readonly scheduledTime: string;
  /** It ended before the point this run was reset to: its events belong to an earlier run. */
  readonly kept: boolean;
  /** The last attempt that history names; 0 when none began. */
  readonly attempt: number;
  readonly startedTime: string | undefined;
  readonly worker: string | null;
  readonly lastFailure: LastFailure | undefined;
  readonly end: ActivityEnd | undefined;
}

/** Of the attempt before the last one: history keeps no earlier ones, and not when it was. */
export interface LastFailure extends ErrorText {
  /** A worker told it to Temporal; of an attempt that timed out, nobody told anything. */
  readonly isReported: boolean;
}

export interface ActivityEnd {
  readonly type: 'success' | 'failure' | 'cancelled';
  readonly time: string;
  readonly error: ErrorText | undefined;
  readonly retryStatus: RetryStatus | null;
  readonly counts: Partial<Counts>;
}

const { RetryState, WorkflowTaskFailedCause } = proto.temporal.api.enums.v1;

/** Why there is no further attempt. */
const RETRY_STATUS: Partial<Record<number, RetryStatus>> = {
  [RetryState.RETRY_STATE_IN_PROGRESS]: 'retrying',
  [RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE]: 'non-retryable',
  [RetryState.RETRY_STATE_TIMEOUT]: 'exhausted',
  [RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED]: 'exhausted',
  [RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET]: 'exhausted',
};

/** The identity under which Temporal terminates a run that was reset while it ran. */
const RESETTER = 'history-resetter';

export async function parseHistory(
  namespace: string,
  workflowID: string,
  runID: string,
  events: readonly HistoryEvent[],
  converter: LoadedDataConverter,
  inputs: InputPolicy,
): Promise<RunHistory> {
  const first = events[0];
  if (!first?.workflowExecutionStartedEventAttributes) {
    throw new Error(`The history of run ${runID} does not begin with its start event`);
  }
  return {
    start: await parseStart(namespace, workflowID, runID, first, converter),
    end: await parseEnd(events.at(-1), converter),
    activities: await parseActivities(events, converter),
    lastEventID: Number(events.at(-1)!.eventId),
    baseRunID: events.findLast(isReset)?.workflowTaskFailedEventAttributes?.baseRunId || null,
    redone: redoneIn(events),
    historyHash: hashOf(events),
    input: runInput(first.workflowExecutionStartedEventAttributes.input?.payloads ?? [], inputs),
  };
}

/** What Temporal writes between the events that a reset run took over and its own. */
export function isReset({ workflowTaskFailedEventAttributes }: HistoryEvent): boolean {
  const { WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW } = WorkflowTaskFailedCause;
  return workflowTaskFailedEventAttributes?.cause === WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW;
}

/** Each from the last event that was taken over to the reset. */
function redoneIn(events: readonly HistoryEvent[]): TimeSpan[] {
  return events.flatMap((event, index) =>
    isReset(event) ? [{ from: time(events[index - 1]?.eventTime), to: time(event.eventTime) }] : [],
  );
}

/** Not of payloads: a codec may encrypt them anew, and a later version of the protocol have more fields. */
function hashOf(events: readonly HistoryEvent[]): string {
  const lines = events.map(
    ({ eventId, eventType, eventTime }) =>
      `${String(eventId)} ${eventType} ${String(eventTime?.seconds ?? 0)}.${eventTime?.nanos ?? 0}`,
  );
  return hash('sha256', lines.join('\n'));
}

export async function parseStart(
  namespace: string,
  workflowID: string,
  runID: string,
  event: HistoryEvent,
  converter: LoadedDataConverter,
): Promise<RunStart> {
  const started = event.workflowExecutionStartedEventAttributes ?? {};
  const field = (fields: Record<string, unknown> | null | undefined, name: string): Promise<unknown> =>
    quietly(() => decodeOptionalSinglePayload(converter, (fields as Record<string, never>)?.[name]));
  const searchAttributes = started.searchAttributes?.indexedFields;
  const workflowType = started.workflowType?.name ?? '';
  const memo = {
    pipeline: await field(started.memo?.fields, 'pipeline'),
    [REPLAY_MEMO]: await field(started.memo?.fields, REPLAY_MEMO),
  };
  const input = await quietly(() => decodeFromPayloadsAtIndex(converter, 0, started.input?.payloads));
  return {
    Namespace: namespace,
    WorkflowID: workflowID,
    RunID: runID,
    OriginalRunID: started.originalExecutionRunId || runID,
    PipelineName: pipelineName(workflowType, memo, input),
    WorkflowType: workflowType || null,
    TaskQueue: started.taskQueue?.name || null,
    StartTime: time(event.eventTime),
    ScheduleID: text(await field(searchAttributes, 'TemporalScheduledById')),
    ScheduledTime: instant(await field(searchAttributes, 'TemporalScheduledStartTime')),
    RunByUser: storable(started.identity ?? '') || null,
    previousRunID: started.continuedExecutionRunId || null,
    parentRunID: started.parentWorkflowExecution?.runId || null,
    replayedRunID: replayMark(memo)?.run ?? null,
  };
}

async function parseEnd(
  event: HistoryEvent | undefined,
  converter: LoadedDataConverter,
): Promise<RunEnd | undefined> {
  if (!event) return undefined;
  const end = (status: BatchStatus, more: Partial<RunEnd> = {}): RunEnd => ({
    status,
    time: time(event.eventTime),
    error: undefined,
    counts: {},
    byReset: false,
    willRetry: false,
    ...more,
  });
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) {
    const result = await quietly(() => decodeFromPayloadsAtIndex(converter, 0, completed.result?.payloads));
    return end('Success', { counts: returnedCounts(result) });
  }
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed) {
    return end('Error', {
      error: await errorText(failed.failure, converter),
      willRetry: failed.retryState === RetryState.RETRY_STATE_IN_PROGRESS,
    });
  }
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    const by = terminated.identity ? ` by ${terminated.identity}` : '';
    const why = terminated.reason ? `: ${terminated.reason}` : '';
    return end('Terminated', {
      error: { type: 'TerminatedFailure', message: storable(`Terminated${by}${why}`) },
      byReset: terminated.identity === RESETTER,
    });
  }
  const timedOut = event.workflowExecutionTimedOutEventAttributes;
  if (timedOut) {
    return end('TimedOut', {
      error: { type: 'TimeoutFailure', message: 'The workflow ran longer than its timeout allows' },
      willRetry: timedOut.retryState === RetryState.RETRY_STATE_IN_PROGRESS,
    });
  }
  if (event.workflowExecutionCanceledEventAttributes) return end('Cancelled');
  if (event.workflowExecutionContinuedAsNewEventAttributes) return end('Continued');
  return undefined;
}

type Draft = { -readonly [K in keyof HistoryActivity]: HistoryActivity[K] };

async function parseActivities(
  events: readonly HistoryEvent[],
  converter: LoadedDataConverter,
): Promise<HistoryActivity[]> {
  const scheduled = new Map<string, Draft>();
  const of = (id: unknown): Draft | undefined => scheduled.get(String(id));
  for (const event of events) {
    const schedule = event.activityTaskScheduledEventAttributes;
    if (schedule) {
      scheduled.set(String(event.eventId), {
        ActivityID: stepID(schedule.activityId ?? '', Date.parse(time(event.eventTime))),
        StepName: schedule.activityType?.name ?? '',
        scheduledTime: time(event.eventTime),
        kept: false,
        attempt: 0,
        startedTime: undefined,
        worker: null,
        lastFailure: undefined,
        end: undefined,
      });
      continue;
    }
    const started = event.activityTaskStartedEventAttributes;
    if (started) {
      const activity = of(started.scheduledEventId);
      if (!activity) continue;
      activity.attempt = started.attempt ?? 1;
      activity.startedTime = time(event.eventTime);
      activity.worker = started.identity || null;
      activity.lastFailure = await lastFailure(started.lastFailure, converter);
      continue;
    }
    if (isReset(event)) {
      for (const activity of scheduled.values()) if (activity.end) activity.kept = true;
      continue;
    }
    const closed =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    const activity = closed && of(closed.scheduledEventId);
    if (activity) activity.end = await activityEnd(event, converter);
  }
  return [...scheduled.values()];
}

async function lastFailure(
  failure: temporal.api.failure.v1.IFailure | null | undefined,
  converter: LoadedDataConverter,
): Promise<LastFailure | undefined> {
  const error = await errorText(failure, converter);
  return error && { ...error, isReported: !failure?.timeoutFailureInfo };
}

async function activityEnd(event: HistoryEvent, converter: LoadedDataConverter): Promise<ActivityEnd> {
  const at = { time: time(event.eventTime), counts: {}, error: undefined, retryStatus: null };
  const completed = event.activityTaskCompletedEventAttributes;
  if (completed) {
    const result = await quietly(() => decodeFromPayloadsAtIndex(converter, 0, completed.result?.payloads));
    return { ...at, type: 'success', counts: returnedCounts(result) };
  }
  const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (failed) {
    return {
      ...at,
      type: 'failure',
      error: await errorText(failed.failure, converter),
      retryStatus: RETRY_STATUS[failed.retryState ?? 0] ?? null,
    };
  }
  return { ...at, type: 'cancelled' };
}

async function errorText(
  failure: temporal.api.failure.v1.IFailure | null | undefined,
  converter: LoadedDataConverter,
): Promise<ErrorText | undefined> {
  if (!failure) return undefined;
  const error = await quietly(() => decodeOptionalFailureToOptionalError(converter, failure));
  return error ? describeError(error) : { type: 'Error', message: storable(failure.message ?? '') };
}

/** A payload that this worker can't decode says nothing, and must not stop the batch from being closed. */
async function quietly<T>(decode: () => Promise<T>): Promise<T | undefined> {
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
