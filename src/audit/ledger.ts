/**
 * What happens to the audit tables when something happened: a run began, an attempt began or ended, a run was closed.
 * Written once over the statements of the engine contract; every function runs inside one transaction.
 */
import type { AuditTransaction, NewBatch } from '../engines/contract.js';
import { isAttemptEnd, isLate, lostEnd, markLate, mergeLiveEvent } from '../domain/merge.js';
import type { BatchRef, PipelineEvent, PipelineLog, RunStart } from '../domain/model.js';
import { NO_COUNTS } from '../domain/model.js';
import { eventID } from './eventID.js';
import type { RunHistory } from './history.js';
import { settleRun } from './settle.js';
import { stepAlert } from './alerts.js';

/** Gives the run its batch: a new one, or for a reset the one it continues. Harmless when repeated. */
export async function openRun(tx: AuditTransaction, start: RunStart, now: string): Promise<BatchRef> {
  const run = await tx.findRun(start.RunID);
  if (run) return reopened(tx, await existingBatch(tx, run.LogID), start.RunID);

  const batch = await tx.findBatchByOrigin(start.Namespace, start.WorkflowID, start.OriginalRunID);
  const logID = batch?.LogID ?? (await tx.insertBatch(await newBatch(tx, start)));
  const isReset = start.RunID !== start.OriginalRunID;
  await tx.insertRun({
    RunID: start.RunID,
    LogID: logID,
    Reason: isReset ? 'reset' : 'start',
    // A reset run repeats the first run's start event; it began when it was opened.
    StartTime: isReset ? now : start.StartTime,
    EndTime: null,
    Status: 'Running',
    ErrorMessage: null,
    CertifiedAt: null,
    CertifiedEventID: null,
    HistoryHash: null,
    GapCount: null,
  });
  if (batch && isReset) {
    await tx.updateBatch(logID, {
      RunID: start.RunID,
      Status: 'Running',
      EndTime: null,
      DurationMs: null,
      ErrorMessage: null,
    });
  }
  return { LogID: logID, PipelineName: batch?.PipelineName ?? start.PipelineName, RunID: start.RunID };
}

/** A run that goes on has got past the workflow task failure that its row may still show. */
async function reopened(tx: AuditTransaction, batch: PipelineLog, runID: string): Promise<BatchRef> {
  if (batch.Status === 'Running' && batch.ErrorMessage !== null && batch.RunID === runID) {
    await tx.updateBatch(batch.LogID, { ErrorMessage: null });
  }
  return { LogID: batch.LogID, PipelineName: batch.PipelineName, RunID: runID };
}

async function newBatch(tx: AuditTransaction, start: RunStart): Promise<NewBatch> {
  const { previousRunID, parentRunID, ...facts } = start;
  const logIDOf = async (runID: string | null): Promise<number | null> =>
    runID === null ? null : ((await tx.findRun(runID))?.LogID ?? null);
  return {
    ...NO_COUNTS,
    ...facts,
    EndTime: null,
    Status: 'Running',
    ErrorMessage: null,
    DurationMs: null,
    RetryCount: 0,
    RetryStatus: null,
    AlertTriggered: false,
    CustomMessage: null,
    PreviousLogID: await logIDOf(previousRunID),
    ParentLogID: await logIDOf(parentRunID),
    ReplayOfLogID: null,
    Resolution: null,
    ResolvedByLogID: null,
  };
}

/** A workflow task failed: the run goes on, and its row says why it does not move. */
export async function noteTaskFailure(tx: AuditTransaction, runID: string, message: string): Promise<void> {
  const run = await tx.findRun(runID);
  if (run?.Status === 'Running') await tx.updateBatch(run.LogID, { ErrorMessage: message });
}

/** How many earlier attempts a new attempt looks back at; what is older is found when the run is closed. */
const LOOK_BACK = 8;

/** Events as workers see them. An attempt that begins also writes the end of the one before it, if nobody did. */
export async function recordLive(
  tx: AuditTransaction,
  events: readonly PipelineEvent[],
  now: string,
): Promise<void> {
  const known = new Map<string, PipelineEvent>();
  const ids = events.flatMap((event) => [event.EventID, ...earlierIDs(event).flat()]);
  for (const event of await tx.findEvents(ids)) known.set(event.EventID, event);

  const closed = await closedRuns(tx, events);
  const written = new Map<string, PipelineEvent>();
  const write = (event: PipelineEvent): void => {
    known.set(event.EventID, event);
    written.set(event.EventID, event);
  };
  for (const event of events) {
    for (const [startID, endID] of earlierIDs(event)) {
      const start = known.get(startID);
      if (start && !known.has(endID)) {
        const why = `attempt ${event.Attempt} began, and nobody had reported the end of this one`;
        write({ ...lostEnd(start, endID, now, why, 'live'), RetryStatus: 'retrying' });
      }
    }
    const merged = mergeLiveEvent(known.get(event.EventID), event);
    if (merged) write(closed.has(event.RunID) ? afterTheEnd(merged) : withAlert(merged));
  }

  await tx.putEvents([...written.values()]);
  for (const [logID, ofBatch] of groupByBatch(written.values())) await showOnBatch(tx, logID, ofBatch, now);
}

/** What comes after a run was closed is on record, and changes nothing about the batch. */
function afterTheEnd(event: PipelineEvent): PipelineEvent {
  return isAttemptEnd(event) && !isLate(event) ? markLate(event) : event;
}

function withAlert(event: PipelineEvent): PipelineEvent {
  return event.EventType === 'failure' ? { ...event, AlertTriggered: true } : event;
}

async function closedRuns(tx: AuditTransaction, events: readonly PipelineEvent[]): Promise<Set<string>> {
  const closed = new Set<string>();
  for (const runID of new Set(events.map(({ RunID }) => RunID))) {
    const run = await tx.findRun(runID);
    if (run && run.Status !== 'Running') closed.add(runID);
  }
  return closed;
}

/** The start and end ids of the attempts before this one, when this is an attempt's start. */
function earlierIDs({ RunID, ActivityID, Attempt, EventType }: PipelineEvent): Array<[string, string]> {
  if (EventType !== 'start' || Attempt === null || Attempt === 1) return [];
  const earlier: Array<[string, string]> = [];
  for (let attempt = Math.max(1, Attempt - LOOK_BACK); attempt < Attempt; attempt++) {
    earlier.push([eventID(RunID, ActivityID, attempt, 'start'), eventID(RunID, ActivityID, attempt, 'end')]);
  }
  return earlier;
}

/** Retries, alerts and messages show on the batch at once; `settle` counts them again, exactly, at its end. */
async function showOnBatch(
  tx: AuditTransaction,
  logID: number,
  events: readonly PipelineEvent[],
  now: string,
): Promise<void> {
  const changes: Partial<NewBatch> = {};
  let retries = 0;
  for (const event of events) {
    // What a given-up attempt reports late is on record, but says nothing about the batch as it is now.
    if (!isAttemptEnd(event) || isLate(event)) continue;
    if (event.EventType === 'retry' || event.EventType === 'lost') retries++;
    if (event.RetryStatus !== null) changes.RetryStatus = event.RetryStatus;
    if (event.EventType === 'failure') {
      changes.AlertTriggered = true;
      await raiseStepAlert(tx, event, now);
    }
    if (event.Message !== null && event.EventType !== 'lost') changes.CustomMessage = event.Message;
  }
  if (retries > 0) changes.RetryCount = (await existingBatch(tx, logID)).RetryCount + retries;
  if (Object.keys(changes).length > 0) await tx.updateBatch(logID, changes);
}

async function raiseStepAlert(tx: AuditTransaction, failure: PipelineEvent, now: string): Promise<void> {
  const alerts = await tx.findAlerts(failure.LogID);
  if (alerts.some(({ EventID }) => EventID === failure.EventID)) return;
  await tx.insertAlert(stepAlert(failure, now));
}

/** Closes a run by its history: statuses, counts, retries and alerts as Temporal knows them. */
export async function settle(tx: AuditTransaction, history: RunHistory, now: string): Promise<void> {
  const { LogID } = await openRun(tx, history.start, now);
  const record = await tx.readBatch(LogID);
  if (!record) throw new Error(`Batch ${LogID} of run ${history.start.RunID} can't be read back`);
  const { run, batch, events, confirmed, raise, resolve } = settleRun(record, history, now);
  await tx.putEvents(events);
  await tx.confirmEvents(confirmed);
  await tx.updateRun(history.start.RunID, run);
  await tx.updateBatch(LogID, batch);
  for (const alert of raise) await tx.insertAlert(alert);
  for (const alertID of resolve) await tx.resolveAlert(alertID, now);
  if (batch.Status === 'Success') await supersedeRetriedRuns(tx, record.batch, now);
  // The try that succeeded may have been closed before this one, by another worker.
  if (history.end?.willRetry) await supersedeFromSuccessor(tx, LogID, now);
}

/** Temporal's workflow retry made a new batch of each try; the one that succeeds settles those before it. */
async function supersedeRetriedRuns(tx: AuditTransaction, success: PipelineLog, now: string): Promise<void> {
  for (let logID = success.PreviousLogID; logID !== null;) {
    const previous = await existingBatch(tx, logID);
    if (previous.RetryStatus !== 'retrying' || previous.Status === 'Running') return;
    await tx.updateBatch(logID, {
      RetryStatus: 'recovered',
      Resolution: 'superseded',
      ResolvedByLogID: success.LogID,
    });
    for (const alert of await tx.findAlerts(logID)) {
      if (alert.ResolvedAt === null) await tx.resolveAlert(alert.AlertID, now);
    }
    logID = previous.PreviousLogID;
  }
}

async function supersedeFromSuccessor(tx: AuditTransaction, logID: number, now: string): Promise<void> {
  let next = await tx.findSuccessor(logID);
  while (next?.RetryStatus === 'retrying' && next.Status !== 'Running')
    next = await tx.findSuccessor(next.LogID);
  if (next?.Status === 'Success') await supersedeRetriedRuns(tx, next, now);
}

async function existingBatch(tx: AuditTransaction, logID: number): Promise<PipelineLog> {
  const batch = await tx.findBatch(logID);
  if (!batch) throw new Error(`The audit has a run of batch ${logID}, but no such batch`);
  return batch;
}

function groupByBatch(events: Iterable<PipelineEvent>): Map<number, PipelineEvent[]> {
  const groups = new Map<number, PipelineEvent[]>();
  for (const event of events) {
    const group = groups.get(event.LogID);
    if (group) group.push(event);
    else groups.set(event.LogID, [event]);
  }
  return groups;
}
