import type Database from 'better-sqlite3';
import type { Alert, BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';
import { fromStored } from './rows.js';

/** Reads a batch with its runs, events and alerts; call it inside a transaction to see one state of them. */
export function batchReader(db: Database.Database): (logID: number) => BatchRecord | undefined {
  const batches = db.prepare('SELECT * FROM main.PipelineLog WHERE LogID = ?');
  const runs = db.prepare('SELECT * FROM main.PipelineRun WHERE LogID = ? ORDER BY StartTime, rowid');
  // A step's end in the same millisecond as its start comes after it.
  const events = db.prepare(
    "SELECT * FROM main.PipelineEvent WHERE LogID = ? ORDER BY EventTime, Attempt, EventType <> 'start', rowid",
  );
  const alerts = db.prepare('SELECT * FROM main.Alert WHERE LogID = ? ORDER BY AlertID');
  return (logID) => {
    const batch = batches.get(logID);
    if (!batch) return undefined;
    return {
      batch: fromStored<PipelineLog>(batch),
      runs: runs.all(logID).map((row) => fromStored<PipelineRun>(row)),
      events: events.all(logID).map((row) => fromStored<PipelineEvent>(row)),
      alerts: alerts.all(logID).map((row) => fromStored<Alert>(row)),
    };
  };
}
