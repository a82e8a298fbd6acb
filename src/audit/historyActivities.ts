/** What a history tells of the activities that a run scheduled. */
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeFromPayloadsAtIndex } from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import { returnedCounts } from '../domain/counts.js';
import type { Counts, RetryStatus } from '../domain/model.js';
import { stepID } from '../domain/stepID.js';
import type { ErrorText } from './describeError.js';
import { errorText, isReset, quietly, time } from './historyEvent.js';
import type { HistoryEvent } from './historyEvent.js';

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

const { RetryState } = proto.temporal.api.enums.v1;

/** Why there is no further attempt. */
const RETRY_STATUS: Partial<Record<number, RetryStatus>> = {
  [RetryState.RETRY_STATE_IN_PROGRESS]: 'retrying',
  [RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE]: 'non-retryable',
  [RetryState.RETRY_STATE_TIMEOUT]: 'exhausted',
  [RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED]: 'exhausted',
  [RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET]: 'exhausted',
};

type Draft = { -readonly [K in keyof HistoryActivity]: HistoryActivity[K] };

export async function parseActivities(
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
