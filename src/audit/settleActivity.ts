import { isLate, lostEnd, markLate } from '../domain/merge.js';
import type { PipelineEvent } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import type { RunEnd } from './history.js';
import type { HistoryActivity } from './historyActivities.js';
import type { Timeline } from './timeline.js';

/** An activity that some other worker tried thousands of times gets no thousands of rows that nobody saw. */
const MOST_INVENTED = 100;

/** Brings the events of one activity to what history says of it. */
export function settleActivity(
  timeline: Timeline,
  activity: HistoryActivity,
  order: number,
  runEnd: RunEnd,
): void {
  // A reset activity counts its attempts from 1 again, so the number that history ends with may not be the highest seen.
  const isNamed = activity.end !== undefined && activity.attempt > 0;
  const last = isNamed
    ? activity.attempt
    : Math.max(activity.attempt, timeline.lastAttemptSeen(activity.ActivityID));
  if (activity.end) timeline.decisive.set(activity.ActivityID, Math.max(1, last));
  for (let attempt = Math.max(1, last - MOST_INVENTED); attempt <= last; attempt++) {
    settleAttempt(timeline, activity, order, attempt, last, runEnd);
  }
  // Temporal gave up before any worker took it.
  if (last === 0 && activity.end) timeline.put(endFromHistory(timeline, activity, order, 1, runEnd.time));
}

function settleAttempt(
  timeline: Timeline,
  activity: HistoryActivity,
  order: number,
  attempt: number,
  last: number,
  runEnd: RunEnd,
): void {
  const isLast = attempt === last;
  const startID = timeline.id(activity.ActivityID, attempt, 'start');
  const start = timeline.get(startID);
  const seenStart = isLast && attempt === activity.attempt && activity.end !== undefined;
  if (!start) {
    timeline.put({
      ...eventOf(timeline, activity, order, attempt),
      EventID: startID,
      EventType: 'start',
      EventTime: (isLast ? activity.startedTime : undefined) ?? activity.scheduledTime,
      Worker: isLast ? activity.worker : null,
    });
  } else if (seenStart) {
    timeline.confirm(start);
  }

  const endID = timeline.id(activity.ActivityID, attempt, 'end');
  const existing = timeline.get(endID);
  if (isLast) {
    if (activity.end) settleLastEnd(timeline, activity, order, attempt, existing);
    // The run ended while this attempt ran: what it reported did not reach Temporal.
    else if (existing && !isLate(existing) && !waitsForRetry(existing, runEnd))
      timeline.put(markLate(existing));
  } else if (!existing || existing.EventType === 'lost') {
    const end = earlierEnd(timeline.get(startID)!, endID, activity);
    // Who took it for lost could not know what Temporal knows.
    if (existing?.EventType !== end.EventType) timeline.put(end);
  } else if (existing.EventType === 'success' || existing.EventType === 'cancelled') {
    // Temporal had given it up, and tried again.
    if (!isLate(existing)) timeline.put(markLate(existing));
  } else if (existing.EventType === 'failure') {
    timeline.put({ ...existing, EventType: 'retry', RetryStatus: 'retrying', Witness: 'both' });
  }
}

/**
 * The end of an attempt that was tried again, when no worker has written it. Temporal keeps the failure of the last of
 * them: where a worker had reported it, it was no lost one.
 */
function earlierEnd(start: PipelineEvent, endID: string, activity: HistoryActivity): PipelineEvent {
  const at = activity.startedTime ?? activity.scheduledTime;
  const why = 'a later attempt began, and nobody had reported the end of this one';
  const failure = start.Attempt === activity.attempt - 1 ? activity.lastFailure : undefined;
  const lost: PipelineEvent = {
    ...lostEnd(start, endID, at, why, 'history'),
    ErrorType: failure?.type ?? null,
    ErrorMessage: failure?.message ?? null,
    RetryStatus: 'retrying',
  };
  if (!failure?.isReported) return lost;
  return {
    ...lost,
    EventType: 'retry',
    DurationMs: null,
    Message: 'reported to Temporal before the next attempt began; when, is not on record',
  };
}

/** Temporal took the failure, and the run ended before the next attempt began; or nobody reported an end at all. */
function waitsForRetry({ EventType, EventTime }: PipelineEvent, runEnd: RunEnd): boolean {
  return EventType === 'lost' || (EventType === 'retry' && EventTime <= runEnd.time);
}

/** The last attempt's end is what history says; what the worker reported beside it (counts, messages) stays. */
function settleLastEnd(
  timeline: Timeline,
  activity: HistoryActivity,
  order: number,
  attempt: number,
  existing: PipelineEvent | undefined,
): void {
  const end = activity.end!;
  const retryStatus = end.type === 'success' && attempt > 1 ? 'recovered' : end.retryStatus;
  if (!existing || existing.EventType === 'lost') {
    timeline.put(endFromHistory(timeline, activity, order, attempt, end.time));
    return;
  }
  const agrees = existing.EventType === end.type;
  if (agrees && existing.RetryStatus === retryStatus) {
    timeline.confirm(existing);
    return;
  }
  const settled: PipelineEvent = {
    ...existing,
    EventType: end.type,
    RetryStatus: retryStatus,
    NextRetryTime: null,
    AlertTriggered: end.type === 'failure',
    Witness: 'both',
  };
  if (agrees || existing.EventType === 'retry') timeline.put(settled);
  // The worker reported an end that Temporal did not take: it was late, or could not be sent.
  else {
    timeline.put({
      ...(existing.EventType === 'success' ? markLate(settled) : settled),
      ErrorType: end.error?.type ?? existing.ErrorType,
      ErrorMessage: end.error?.message ?? existing.ErrorMessage,
    });
  }
}

function endFromHistory(
  timeline: Timeline,
  activity: HistoryActivity,
  order: number,
  attempt: number,
  fallbackTime: string,
): PipelineEvent {
  const end = activity.end;
  const at = end?.time ?? fallbackTime;
  const start = timeline.get(timeline.id(activity.ActivityID, attempt, 'start'));
  return {
    ...eventOf(timeline, activity, order, attempt),
    ...end?.counts,
    EventID: timeline.id(activity.ActivityID, attempt, 'end'),
    EventType: end?.type ?? 'lost',
    EventTime: at,
    DurationMs: start ? Math.max(0, Date.parse(at) - Date.parse(start.EventTime)) : null,
    ErrorType: end?.error?.type ?? null,
    ErrorMessage: end?.error?.message ?? null,
    RetryStatus: end?.type === 'success' && attempt > 1 ? 'recovered' : (end?.retryStatus ?? null),
    AlertTriggered: end?.type === 'failure',
    Worker: start?.Worker ?? activity.worker,
  };
}

function eventOf(
  timeline: Timeline,
  activity: HistoryActivity,
  order: number,
  attempt: number,
): PipelineEvent {
  return {
    ...NO_DETAILS,
    EventID: '',
    LogID: timeline.record.batch.LogID,
    RunID: timeline.runID,
    StepName: activity.StepName,
    StepSequenceNum: order,
    ActivityID: activity.ActivityID,
    Attempt: attempt,
    EventType: 'lost',
    EventTime: '',
    Witness: 'history',
  };
}
