/** What happens to the audit tables when attempts begin and end. */
import type { AuditTransaction, NewBatch } from '../../engines/contract.js';
import { isAttemptEnd, isLate, lostEnd, markLate, mergeLiveEvent } from '../../domain/merge.js';
import type { PipelineEvent } from '../../domain/model.js';
import { stepAlert } from '../alerts.js';
import { eventID } from '../eventID.js';

/** How many earlier attempts a new attempt looks back at; what is older is found when the run is closed. */
const LOOK_BACK = 8;

/** Events as workers see them. An attempt that begins also writes the end of the one before it, if nobody did. */
export async function recordLive(
  tx: AuditTransaction,
  events: readonly PipelineEvent[],
  now: string,
): Promise<void> {
  const incoming = await withLostEnds(tx, events, now);
  const { existing: found, closedRuns } = await tx.addEvents([...incoming.values()]);
  const before = new Map(found.map((event) => [event.EventID, event]));
  const closed = new Set(closedRuns);
  const shown: PipelineEvent[] = [];
  const changed: PipelineEvent[] = [];
  for (const event of incoming.values()) {
    const merged = mergeLiveEvent(before.get(event.EventID), event);
    if (!merged) continue;
    const final = closed.has(event.RunID) ? afterTheEnd(merged) : merged;
    if (before.has(event.EventID) || final !== event) changed.push(final);
    shown.push(final);
  }
  await tx.putEvents(changed);
  await showOnBatches(tx, shown, now);
}

/** The events by id, those of one id merged, and with the ends of earlier attempts that nobody reported. */
async function withLostEnds(
  tx: AuditTransaction,
  events: readonly PipelineEvent[],
  now: string,
): Promise<Map<string, PipelineEvent>> {
  const earlier = new Map(
    (await tx.findEvents(events.flatMap((event) => earlierIDs(event).flat()))).map(byID),
  );
  const incoming = new Map<string, PipelineEvent>();
  for (const event of events) {
    for (const [startID, endID] of earlierIDs(event)) {
      const start = incoming.get(startID) ?? earlier.get(startID);
      if (start && !incoming.has(endID) && !earlier.has(endID)) {
        const why = `attempt ${event.Attempt} began, and nobody had reported the end of this one`;
        incoming.set(endID, { ...lostEnd(start, endID, now, why, 'live'), RetryStatus: 'retrying' });
      }
    }
    const merged = mergeLiveEvent(incoming.get(event.EventID), event);
    if (merged) incoming.set(event.EventID, withAlert(merged));
  }
  return incoming;
}

/** What comes after a run was closed is on record, and changes nothing about the batch. */
function afterTheEnd(event: PipelineEvent): PipelineEvent {
  if (!isAttemptEnd(event)) return event;
  return { ...(isLate(event) ? event : markLate(event)), AlertTriggered: false };
}

function withAlert(event: PipelineEvent): PipelineEvent {
  return event.EventType === 'failure' ? { ...event, AlertTriggered: true } : event;
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

/** Retries, alerts and messages show on the batch at once; `settleRuns` counts them again, exactly, at its end. */
async function showOnBatches(
  tx: AuditTransaction,
  events: readonly PipelineEvent[],
  now: string,
): Promise<void> {
  const news = new Map<number, { retries: number; changes: Partial<NewBatch> }>();
  const failures: PipelineEvent[] = [];
  for (const event of events) {
    // What a given-up attempt reports late is on record, but says nothing about the batch as it is now.
    if (!isAttemptEnd(event) || isLate(event)) continue;
    const changes: Partial<NewBatch> = {};
    const isRetry = event.EventType === 'retry' || event.EventType === 'lost';
    if (event.RetryStatus !== null) changes.RetryStatus = event.RetryStatus;
    if (event.EventType === 'failure') {
      changes.AlertTriggered = true;
      failures.push(event);
    }
    if (event.Message !== null && event.EventType !== 'lost') changes.CustomMessage = event.Message;
    if (!isRetry && Object.keys(changes).length === 0) continue;
    const known = news.get(event.LogID) ?? { retries: 0, changes: {} };
    known.retries += isRetry ? 1 : 0;
    Object.assign(known.changes, changes);
    news.set(event.LogID, known);
  }
  const batches = await tx.lockBatches([...news.keys()]);
  await tx.updateBatches(
    batches.map((batch) => {
      const { retries, changes } = news.get(batch.LogID)!;
      return { ...batch, ...changes, RetryCount: batch.RetryCount + retries };
    }),
  );
  await raiseStepAlerts(tx, failures, now);
}

async function raiseStepAlerts(
  tx: AuditTransaction,
  failures: readonly PipelineEvent[],
  now: string,
): Promise<void> {
  const raised = await tx.findAlerts([...new Set(failures.map(({ LogID }) => LogID))]);
  const known = new Set(raised.map(({ EventID }) => EventID));
  await tx.insertAlerts(
    failures.filter(({ EventID }) => !known.has(EventID)).map((event) => stepAlert(event, now)),
  );
}

function byID(event: PipelineEvent): [string, PipelineEvent] {
  return [event.EventID, event];
}
