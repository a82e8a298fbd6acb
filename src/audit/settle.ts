/**
 * What the audit must say about a run once its history is known. A pure function of the rows that exist and the
 * history: running it twice changes nothing.
 */
import type { NewAlert, NewBatch } from '../engines/contract.js';
import { sumCounts } from '../domain/counts.js';
import { fitted } from '../domain/fitted.js';
import { isAttemptEnd, isLate } from '../domain/merge.js';
import type {
  BatchRecord,
  BatchStatus,
  PipelineEvent,
  PipelineRun,
  RetryStatus,
  RunStart,
} from '../domain/model.js';
import { FAILED_STATUSES } from '../domain/model.js';
import type { RunEnd, RunHistory } from './history.js';
import type { HistoryActivity } from './historyActivities.js';
import { alertMessage, stepAlert } from './alerts.js';
import { resolutionEvent } from './resolutionEvent.js';
import { settleActivity } from './settleActivity.js';
import { Timeline } from './timeline.js';

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

/** A batch as it was read, and what the history of one of its runs makes of it. */
export interface Settled {
  readonly record: BatchRecord;
  readonly history: RunHistory;
  readonly settlement: Settlement;
}

const NOTHING: Settlement = { run: {}, batch: {}, events: [], confirmed: [], raise: [], resolve: [] };

export function settleRun(record: BatchRecord, history: RunHistory, now: string): Settlement {
  const { end, start, lastEventID } = history;
  if (!end) return NOTHING;
  const timeline = new Timeline(record, start.RunID, now);
  for (const [index, activity] of history.activities.entries()) {
    if (!activity.kept || isMissing(record, timeline, activity))
      settleActivity(timeline, activity, index + 1, end);
  }
  timeline.endWhatIsOpen(end);

  const run = { Status: end.status, EndTime: end.time, ErrorMessage: end.error?.message ?? null };
  const before = record.runs.find(({ RunID }) => RunID === start.RunID);
  const isLatest = record.batch.RunID === start.RunID;
  const failed = FAILED_STATUSES.includes(end.status) && !end.byReset;
  const failures = timeline.ofRun().filter(isFailure);
  // Settling again must not undo what happened to the batch since: a dismissal, a resolved alert.
  const isNews = before?.Status === 'Running' || (lastEventID !== null && before?.CertifiedEventID === null);
  const raise = [
    ...stepAlerts(record, failures, now),
    ...(isNews && failed ? [batchAlert(record, end, now)] : []),
  ];
  const certificate = lastEventID === null ? {} : certify(timeline, history, now);
  const found = {
    run: { ...run, ...certificate },
    events: timeline.changed(),
    confirmed: timeline.confirmed(),
  };
  if (!isLatest) {
    const since = isNews && failed ? failedBefore(record) : {};
    found.events.push(...resolved(record, since, now));
    // Where the later run has ended well, there is nothing left to look at.
    const ResolvedAt = endsWell(record.batch.Status) ? now : null;
    return { ...found, batch: since, raise: raise.map((alert) => ({ ...alert, ResolvedAt })), resolve: [] };
  }
  if (end.byReset) return { ...found, batch: {}, raise: [], resolve: [] };

  const resolution = isNews ? resolutionOf(record, end, failed) : {};
  found.events.push(...resolved(record, resolution, now));
  return {
    ...found,
    raise,
    resolve: alertsToResolve(record, timeline, end),
    batch: fitted({
      ...run,
      ...startTime(record, start),
      ...sumCounts(finalSuccesses(timeline, history)),
      ...end.counts,
      RunByUser: start.RunByUser ?? record.batch.RunByUser,
      InputDigest: history.input?.digest ?? record.batch.InputDigest,
      DurationMs: Math.max(0, Date.parse(end.time) - Date.parse(start.StartTime)),
      RetryCount: timeline
        .all()
        .filter(({ EventType, Attempt }) => EventType === 'start' && (Attempt ?? 1) > 1).length,
      RetryStatus: end.willRetry ? triedAgain(record) : retryStatus(timeline),
      AlertTriggered: failed || failures.length > 0 || record.batch.AlertTriggered,
      ...resolution,
    }),
  };
}

/** A step that a reset kept is on record with the run that made it, unless that run was never seen and is gone. */
function isMissing({ runs }: BatchRecord, timeline: Timeline, { ActivityID }: HistoryActivity): boolean {
  const isComplete = runs.every(({ RunID, CertifiedAt }) => RunID === timeline.runID || CertifiedAt !== null);
  return isComplete && !timeline.endedInOtherRun(ActivityID);
}

/** What Temporal no longer waited for is nothing to be alarmed about. */
function isFailure(event: PipelineEvent): boolean {
  return event.EventType === 'failure' && !isLate(event);
}

/** A gap is what history knows and no worker wrote. */
function certify(
  timeline: Timeline,
  { lastEventID, historyHash }: RunHistory,
  now: string,
): Partial<PipelineRun> {
  const gaps = timeline
    .ofRun()
    .filter(({ Witness, ActivityID }) => Witness === 'history' && ActivityID !== null);
  return {
    CertifiedAt: now,
    CertifiedEventID: lastEventID,
    HistoryHash: historyHash,
    GapCount: gaps.length,
  };
}

/** What a run's failure means for its batch when a reset has already begun the next run. */
function failedBefore({ batch }: BatchRecord): Partial<NewBatch> {
  return endsWell(batch.Status)
    ? { AlertTriggered: true, Resolution: 'replayed', ResolvedByLogID: batch.LogID }
    : { AlertTriggered: true, Resolution: 'open', ResolvedByLogID: null };
}

/** A worker without a server to ask guessed it; a reset keeps the first run's. */
function startTime({ batch }: BatchRecord, start: RunStart): Partial<NewBatch> {
  const isFirst = start.RunID === start.OriginalRunID;
  return isFirst && batch.StartTime !== start.StartTime ? { StartTime: start.StartTime } : {};
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
function finalSuccesses(timeline: Timeline, { activities, baseRunID }: RunHistory): PipelineEvent[] {
  const others = timeline
    .all()
    .filter(({ RunID, EventType }) => RunID !== timeline.runID && EventType === 'success');
  const keptSuccesses = activities
    .filter((activity) => activity.kept)
    .map((activity) => keptSuccess(others, activity, baseRunID));
  return [
    ...keptSuccesses.filter((event) => event !== undefined),
    ...lastEnds(timeline).filter((event) => event.EventType === 'success' && !isLate(event)),
  ];
}

/** That of the run it was reset from, or of the one that this run kept it from: by when Temporal says it ended. */
function keptSuccess(
  others: readonly PipelineEvent[],
  { ActivityID, end }: HistoryActivity,
  baseRunID: string | null,
): PipelineEvent | undefined {
  const successes = others.filter((event) => event.ActivityID === ActivityID);
  const distance = ({ EventTime }: PipelineEvent): number =>
    Math.abs(Date.parse(EventTime) - Date.parse(end?.time ?? EventTime));
  return (
    successes.find(({ RunID }) => RunID === baseRunID) ??
    successes.sort((a, b) => distance(a) - distance(b))[0]
  );
}

/** Not `retrying`: the run is over, and only its own retry policy could go on. */
const WORST_FIRST: readonly RetryStatus[] = ['exhausted', 'non-retryable', 'recovered'];

function retryStatus(timeline: Timeline): RetryStatus | null {
  const found = new Set(
    lastEnds(timeline)
      .filter((event) => !isLate(event))
      .map(({ RetryStatus }) => RetryStatus),
  );
  return WORST_FIRST.find((status) => found.has(status)) ?? null;
}

/** The workflow's own retry policy goes on in another batch, which may have succeeded since. */
function triedAgain({ batch }: BatchRecord): RetryStatus {
  return batch.Resolution === 'superseded' ? 'recovered' : 'retrying';
}

/** What a batch that was continued had to do itself, it has done; the rest is another batch's, which may fail by itself. */
function endsWell(status: BatchStatus): boolean {
  return status === 'Success' || status === 'Continued';
}

function resolutionOf({ batch }: BatchRecord, end: RunEnd, failed: boolean): Partial<NewBatch> {
  if (failed) return { Resolution: 'open', ResolvedByLogID: null };
  // A reset repaired a failed batch: it resolved itself.
  if (endsWell(end.status) && batch.Resolution === 'open') {
    return { Resolution: 'replayed', ResolvedByLogID: batch.LogID };
  }
  return {};
}

function resolved({ batch }: BatchRecord, change: Partial<NewBatch>, now: string): PipelineEvent[] {
  const { Resolution, ResolvedByLogID = null } = change;
  // Of the first failure the batch's end tells.
  if (!Resolution || (Resolution === 'open' && [null, 'open'].includes(batch.Resolution))) return [];
  return [resolutionEvent(batch, Resolution, ResolvedByLogID, now)];
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
    Message: alertMessage(`${batch.PipelineName} ended ${end.status}: ${end.error?.message ?? 'no message'}`),
  };
}

/** A step alert falls with its failure; a batch that ends well after a reset takes the alerts of earlier runs with it. */
function alertsToResolve(record: BatchRecord, timeline: Timeline, end: RunEnd): number[] {
  return record.alerts
    .filter(({ EventID, ResolvedAt }) => {
      if (ResolvedAt !== null) return false;
      if (EventID === null) return endsWell(end.status);
      const event = timeline.get(EventID);
      if (event?.RunID === timeline.runID) return !isFailure(event);
      return endsWell(end.status);
    })
    .map(({ AlertID }) => AlertID);
}
