/**
 * What the audit must say about a run once its history is known. A pure function of the rows that exist and the
 * history: running it twice changes nothing.
 */
import type { NewAlert, NewBatch } from '../engines/contract.js';
import { sumCounts } from '../domain/counts.js';
import { isAttemptEnd, isLate, lostEnd, markLate } from '../domain/merge.js';
import type { BatchRecord, PipelineEvent, PipelineRun, RetryStatus, RunStart } from '../domain/model.js';
import { FAILED_STATUSES, NO_COUNTS } from '../domain/model.js';
import { eventID } from './eventID.js';
import type { HistoryActivity, RunEnd, RunHistory } from './history.js';
import { shorten, stepAlert } from './alerts.js';

export interface Settlement {
  readonly run: Partial<PipelineRun>;
  readonly batch: Partial<NewBatch>;
  /** The events that are new or changed. */
  readonly events: PipelineEvent[];
  /** Events that history confirms as they are. */
  readonly confirmed: string[];
  readonly raise: NewAlert[];
  readonly resolve: number[];
}

const NOTHING: Settlement = { run: {}, batch: {}, events: [], confirmed: [], raise: [], resolve: [] };

export function settleRun(record: BatchRecord, history: RunHistory, now: string): Settlement {
  const { end, start } = history;
  if (!end) return NOTHING;
  const timeline = new Timeline(record, start.RunID, now);
  for (const [index, activity] of history.activities.entries()) {
    if (!activity.kept) settleActivity(timeline, activity, index + 1, end);
  }
  timeline.endWhatIsOpen(end);

  const run = { Status: end.status, EndTime: end.time, ErrorMessage: end.error?.message ?? null };
  const isLatest = record.batch.RunID === start.RunID;
  const failed = FAILED_STATUSES.includes(end.status) && !end.byReset;
  const failures = timeline.ofRun().filter(({ EventType }) => EventType === 'failure');
  // Settling again must not undo what happened to the batch since: a dismissal, a resolved alert.
  const isNews = record.runs.find(({ RunID }) => RunID === start.RunID)?.Status === 'Running';
  const raise = [
    ...stepAlerts(record, failures, now),
    ...(isNews && failed ? [batchAlert(record, end, now)] : []),
  ];
  const found = { run, events: timeline.changed(), confirmed: timeline.confirmed() };
  if (!isLatest) {
    const since = isNews && failed ? failedBefore(record) : {};
    // Where the later run has succeeded, there is nothing left to look at.
    const ResolvedAt = record.batch.Status === 'Success' ? now : null;
    return { ...found, batch: since, raise: raise.map((alert) => ({ ...alert, ResolvedAt })), resolve: [] };
  }
  if (end.byReset) return { ...found, batch: {}, raise: [], resolve: [] };

  return {
    ...found,
    raise,
    resolve: alertsToResolve(record, timeline, end),
    batch: {
      ...run,
      ...startTime(record, start),
      ...sumCounts(finalSuccesses(timeline, history)),
      ...end.counts,
      RunByUser: start.RunByUser ?? record.batch.RunByUser,
      DurationMs: Math.max(0, Date.parse(end.time) - Date.parse(start.StartTime)),
      RetryCount: timeline
        .all()
        .filter(({ EventType, Attempt }) => EventType === 'start' && (Attempt ?? 1) > 1).length,
      RetryStatus: end.willRetry ? 'retrying' : retryStatus(timeline),
      AlertTriggered: failed || failures.length > 0 || record.batch.AlertTriggered,
      ...(isNews ? resolution(record, end, failed) : {}),
    },
  };
}

/** What a run's failure means for its batch when a reset has already begun the next run. */
function failedBefore({ batch }: BatchRecord): Partial<NewBatch> {
  return batch.Status === 'Success'
    ? { AlertTriggered: true, Resolution: 'replayed', ResolvedByLogID: batch.LogID }
    : { AlertTriggered: true, Resolution: 'open', ResolvedByLogID: null };
}

/** A worker without a server to ask guessed it; a reset keeps the first run's. */
function startTime({ batch }: BatchRecord, start: RunStart): Partial<NewBatch> {
  const isFirst = start.RunID === start.OriginalRunID;
  return isFirst && batch.StartTime !== start.StartTime ? { StartTime: start.StartTime } : {};
}

/** The batch's events by id, and which of them changed. */
class Timeline {
  readonly #events: Map<string, PipelineEvent>;
  readonly #changed = new Set<string>();
  readonly #confirmed = new Set<string>();
  readonly #lastSeen = new Map<string, number>();
  /** The attempt whose end history tells, by ActivityID. */
  readonly decisive = new Map<string, number>();

  constructor(
    readonly record: BatchRecord,
    readonly runID: string,
    readonly now: string,
  ) {
    this.#events = new Map(record.events.map((event) => [event.EventID, event]));
    for (const { RunID, ActivityID, EventType, Attempt } of record.events) {
      if (RunID !== runID || ActivityID === null || EventType !== 'start') continue;
      this.#lastSeen.set(ActivityID, Math.max(Attempt ?? 1, this.lastAttemptSeen(ActivityID)));
    }
  }

  all(): PipelineEvent[] {
    return [...this.#events.values()];
  }

  ofRun(): PipelineEvent[] {
    return this.all().filter(({ RunID }) => RunID === this.runID);
  }

  changed(): PipelineEvent[] {
    return [...this.#changed].map((id) => this.#events.get(id)!);
  }

  id(activityID: string | null, attempt: number | null, slot: 'start' | 'end'): string {
    return eventID(this.runID, activityID, attempt, slot);
  }

  get(id: string): PipelineEvent | undefined {
    return this.#events.get(id);
  }

  put(event: PipelineEvent): void {
    this.#events.set(event.EventID, event);
    this.#changed.add(event.EventID);
  }

  /** History agrees with what a worker saw. */
  confirm({ EventID, Witness }: PipelineEvent): void {
    if (Witness === 'live') this.#confirmed.add(EventID);
  }

  confirmed(): string[] {
    return [...this.#confirmed].filter((id) => !this.#changed.has(id));
  }

  lastAttemptSeen(activityID: string): number {
    return this.#lastSeen.get(activityID) ?? 0;
  }

  /** Attempts that still run somewhere, or died with their worker, when the run is over. */
  endWhatIsOpen(end: RunEnd): void {
    for (const start of this.ofRun()) {
      if (start.EventType !== 'start') continue;
      const endID = this.id(start.ActivityID, start.Attempt, 'end');
      if (this.get(endID)) continue;
      const at = start.EventTime > end.time ? start.EventTime : end.time;
      this.put(
        lostEnd(
          start,
          endID,
          at,
          'the run ended, and nobody had reported the end of this attempt',
          'history',
        ),
      );
    }
  }
}

/** An activity that some other worker tried thousands of times gets no thousands of rows that nobody saw. */
const MOST_INVENTED = 100;

function settleActivity(timeline: Timeline, activity: HistoryActivity, order: number, runEnd: RunEnd): void {
  // A reset activity counts its attempts from 1 again, so the number that history ends with may not be the highest seen.
  const isNamed = activity.end !== undefined && activity.attempt > 0;
  const last = isNamed
    ? activity.attempt
    : Math.max(activity.attempt, timeline.lastAttemptSeen(activity.ActivityID));
  if (activity.end) timeline.decisive.set(activity.ActivityID, Math.max(1, last));
  for (let attempt = Math.max(1, last - MOST_INVENTED); attempt <= last; attempt++) {
    settleAttempt(timeline, activity, order, attempt, last);
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
    else if (existing && existing.EventType !== 'lost' && !isLate(existing)) timeline.put(markLate(existing));
  } else if (!existing) {
    const at = activity.startedTime ?? activity.scheduledTime;
    const began = timeline.get(startID)!;
    timeline.put({
      ...lostEnd(
        began,
        endID,
        at,
        'a later attempt began, and nobody had reported the end of this one',
        'history',
      ),
      ErrorType: (attempt === last - 1 ? activity.lastFailure?.type : undefined) ?? null,
      ErrorMessage: (attempt === last - 1 ? activity.lastFailure?.message : undefined) ?? null,
      RetryStatus: 'retrying',
    });
  } else if (existing.EventType === 'success') {
    if (!isLate(existing)) timeline.put(markLate(existing));
  } else if (existing.EventType === 'failure') {
    timeline.put({ ...existing, EventType: 'retry', RetryStatus: 'retrying', Witness: 'both' });
  }
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
    ...NO_COUNTS,
    EventID: '',
    LogID: timeline.record.batch.LogID,
    RunID: timeline.runID,
    StepName: activity.StepName,
    StepSequenceNum: order,
    ActivityID: activity.ActivityID,
    Attempt: attempt,
    EventType: 'lost',
    EventTime: '',
    DurationMs: null,
    Message: null,
    ErrorType: null,
    ErrorMessage: null,
    RetryStatus: null,
    NextRetryTime: null,
    AlertTriggered: false,
    Worker: null,
    Witness: 'history',
    EventHash: null,
  };
}

/** The end that counts of each step of this run: the one history tells, else the last attempt's. */
function lastEnds(timeline: Timeline): PipelineEvent[] {
  const last = new Map<string, PipelineEvent>();
  for (const event of timeline.ofRun()) {
    if (event.ActivityID === null || !isAttemptEnd(event)) continue;
    const decisive = timeline.decisive.get(event.ActivityID);
    if (decisive !== undefined && event.Attempt !== decisive) continue;
    const other = last.get(event.ActivityID);
    if (!other || (other.Attempt ?? 0) < (event.Attempt ?? 0)) last.set(event.ActivityID, event);
  }
  return [...last.values()];
}

/** The successes that count: each step's last attempt, and the steps that a reset kept from earlier runs. */
function finalSuccesses(timeline: Timeline, { activities }: RunHistory): PipelineEvent[] {
  const kept = activities.filter((activity) => activity.kept).map(({ ActivityID }) => ActivityID);
  const earlier = timeline
    .all()
    .filter(({ RunID, EventType }) => RunID !== timeline.runID && EventType === 'success');
  const keptSuccesses = kept.map((id) => earlier.filter(({ ActivityID }) => ActivityID === id).at(-1));
  return [
    ...keptSuccesses.filter((event) => event !== undefined),
    ...lastEnds(timeline).filter((event) => event.EventType === 'success' && !isLate(event)),
  ];
}

/** Not `retrying`: the run is over, and only its own retry policy could go on. */
const WORST_FIRST: readonly RetryStatus[] = ['exhausted', 'non-retryable', 'recovered'];

function retryStatus(timeline: Timeline): RetryStatus | null {
  const found = new Set(lastEnds(timeline).map(({ RetryStatus }) => RetryStatus));
  return WORST_FIRST.find((status) => found.has(status)) ?? null;
}

function resolution({ batch }: BatchRecord, end: RunEnd, failed: boolean): Partial<NewBatch> {
  if (failed) return { Resolution: 'open', ResolvedByLogID: null };
  // A reset repaired a failed batch: it resolved itself.
  if (end.status === 'Success' && batch.Resolution === 'open') {
    return { Resolution: 'replayed', ResolvedByLogID: batch.LogID };
  }
  return {};
}

function stepAlerts(record: BatchRecord, failures: PipelineEvent[], now: string): NewAlert[] {
  const known = new Set(record.alerts.map(({ EventID }) => EventID));
  return failures.filter(({ EventID }) => !known.has(EventID)).map((event) => stepAlert(event, now));
}

function batchAlert({ batch }: BatchRecord, end: RunEnd, now: string): NewAlert {
  return {
    LogID: batch.LogID,
    EventID: null,
    Rule: 'batch-failed',
    Severity: 'critical',
    RaisedAt: now,
    ResolvedAt: null,
    Message: shorten(`${batch.PipelineName} ended ${end.status}: ${end.error?.message ?? 'no message'}`),
  };
}

/** A step alert falls with its failure; a batch that succeeds after a reset takes the alerts of earlier runs with it. */
function alertsToResolve(record: BatchRecord, timeline: Timeline, end: RunEnd): number[] {
  return record.alerts
    .filter(({ EventID, ResolvedAt }) => {
      if (ResolvedAt !== null) return false;
      if (EventID === null) return end.status === 'Success';
      const event = timeline.get(EventID);
      if (event?.RunID === timeline.runID) return event.EventType !== 'failure';
      return end.status === 'Success';
    })
    .map(({ AlertID }) => AlertID);
}
