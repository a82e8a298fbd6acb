/** What happens to the audit tables when attempts begin and end. */
import type { AuditTransaction, NewBatch } from '../../engines/contract.js';
import { isAttemptEnd, isLate, lostEnd, markLate, mergeLiveEvent } from '../../domain/merge.js';
import type { PipelineEvent } from '../../domain/model.js';
import { stepAlert } from '../alerts.js';
import { eventID } from '../eventID.js';
import { hashed } from '../proof.js';
import type { Ledger } from './ledger.js';

/** How many earlier attempts a new attempt looks back at; what is older is found when the run is closed. */
const LOOK_BACK = 8;

/** Events as workers see them. An attempt that begins also writes the end of the one before it, if nobody did. */
export async function recordLive(ledger: Ledger, events: readonly PipelineEvent[]): Promise<void> {
  const { tx, now } = ledger;
  const incoming = await withLostEnds(tx, events, now);
  const { existing: found, closedRuns } = await tx.addEvents([...incoming.values()]);
  const before = new Map(found.map((event) => [event.EventID, event]));
  const written: PipelineEvent[] = [];
  const changed: PipelineEvent[] = [];
  for (const event of incoming.values()) {
    const known = before.get(event.EventID);
    const merged = mergeLiveEvent(known, event);
    if (!merged) continue;
    const row = known ? hashed(merged) : merged;
    if (known && known.EventHash === row.EventHash && known.Witness === row.Witness) continue;
    if (known) changed.push(row);
    written.push(row);
  }
  await tx.putEvents(changed);
  const closed = new Set(closedRuns);
  const isClosed = ({ RunID }: PipelineEvent): boolean => closed.has(RunID);
  await showOnBatches(
    tx,
    written.filter((event) => !isClosed(event)),
    now,
  );
  await certifyAgain(ledger, written.filter(isClosed));
}

/**
 * What comes after a run was closed is on record, and changes nothing about the batch by itself: what it means is decided
 * when the run's history is read again. Where there is no history, it came too late.
 */
async function certifyAgain(ledger: Ledger, events: readonly PipelineEvent[]): Promise<void> {
  if (events.length === 0) return;
  const { tx } = ledger;
  const batches = await tx.lockBatches([...new Set(events.map(({ LogID }) => LogID))]);
  const standalone = new Set(
    batches.filter(({ WorkflowType }) => WorkflowType === null).map(({ LogID }) => LogID),
  );
  const runs = await tx.findRuns([...new Set(events.map(({ RunID }) => RunID))]);
  await tx.updateRuns(
    runs.filter(({ CertifiedAt }) => CertifiedAt !== null).map((run) => ({ ...run, CertifiedAt: null })),
  );
  const late = events.filter((event) => standalone.has(event.LogID) && isAttemptEnd(event) && !isLate(event));
  await tx.putEvents(late.map((event) => hashed(markLate(event))));
  ledger.changed(batches.map(({ LogID }) => LogID));
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
  return new Map([...incoming].map(([id, event]) => [id, hashed(event)]));
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
