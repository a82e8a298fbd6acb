import type Database from 'better-sqlite3';
import {
  ALERT_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
} from '../../domain/columns.js';
import type { Alert, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';
import type { AuditTransaction, NewAlert, NewBatch } from '../contract.js';
import { batchReader } from './readBatch.js';
import { fromStored, toStored, valuesOf } from './rows.js';

const NEW_BATCH_COLUMNS = PIPELINE_LOG_COLUMNS.slice(1) as Array<keyof NewBatch>;
const NEW_ALERT_COLUMNS = ALERT_COLUMNS.slice(1) as Array<keyof NewAlert>;

/** The contract's statements, prepared once for a connection. */
export function auditTransaction(db: Database.Database): AuditTransaction {
  const findRun = db.prepare('SELECT * FROM PipelineRun WHERE RunID = ?');
  const findBatch = db.prepare('SELECT * FROM PipelineLog WHERE LogID = ?');
  const findBatchByOrigin = db.prepare(
    'SELECT * FROM PipelineLog WHERE Namespace = ? AND WorkflowID = ? AND OriginalRunID = ?',
  );
  const findSuccessor = db.prepare(
    'SELECT * FROM PipelineLog WHERE PreviousLogID = ? ORDER BY LogID LIMIT 1',
  );
  const insertBatch = db.prepare(insert('PipelineLog', NEW_BATCH_COLUMNS));
  const insertRun = db.prepare(insert('PipelineRun', PIPELINE_RUN_COLUMNS));
  const findEvent = db.prepare('SELECT * FROM PipelineEvent WHERE EventID = ?');
  const putEvent = db.prepare(replaceEvent());
  const confirmEvent = db.prepare("UPDATE PipelineEvent SET Witness = 'both' WHERE EventID = ?");
  const insertAlert = db.prepare(insert('Alert', NEW_ALERT_COLUMNS));
  const resolveAlert = db.prepare('UPDATE Alert SET ResolvedAt = ? WHERE AlertID = ?');
  const findAlerts = db.prepare('SELECT * FROM Alert WHERE LogID = ? ORDER BY AlertID');
  const readBatch = batchReader(db);
  const update = updater(db);

  const one = <Row>(stored: unknown): Row | undefined =>
    stored === undefined ? undefined : fromStored<Row>(stored);

  return {
    findRun: async (runID) => one<PipelineRun>(findRun.get(runID)),
    findBatch: async (logID) => one<PipelineLog>(findBatch.get(logID)),
    findBatchByOrigin: async (...origin) => one<PipelineLog>(findBatchByOrigin.get(...origin)),
    findSuccessor: async (logID) => one<PipelineLog>(findSuccessor.get(logID)),
    insertBatch: async (batch) => Number(insertBatch.run(valuesOf(batch, NEW_BATCH_COLUMNS)).lastInsertRowid),
    updateBatch: async (logID, changes) => update('PipelineLog', 'LogID', logID, changes),
    insertRun: async (run) => void insertRun.run(valuesOf(run, PIPELINE_RUN_COLUMNS)),
    updateRun: async (runID, changes) => update('PipelineRun', 'RunID', runID, changes),
    findEvents: async (eventIDs) => {
      const found = eventIDs.map((eventID) => one<PipelineEvent>(findEvent.get(eventID)));
      return found.filter((event) => event !== undefined);
    },
    putEvents: async (events) => {
      for (const event of events) putEvent.run(valuesOf(event, PIPELINE_EVENT_COLUMNS));
    },
    confirmEvents: async (eventIDs) => {
      for (const eventID of eventIDs) confirmEvent.run(eventID);
    },
    insertAlert: async (alert) => void insertAlert.run(valuesOf(alert, NEW_ALERT_COLUMNS)),
    resolveAlert: async (alertID, at) => void resolveAlert.run(at, alertID),
    findAlerts: async (logID) => findAlerts.all(logID).map((row) => fromStored<Alert>(row)),
    readBatch: async (logID) => readBatch(logID),
  };
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}

function replaceEvent(): string {
  const changes = PIPELINE_EVENT_COLUMNS.slice(1).map((name) => `${name} = excluded.${name}`);
  return `${insert('PipelineEvent', PIPELINE_EVENT_COLUMNS)} ON CONFLICT (EventID) DO UPDATE SET ${changes.join(', ')}`;
}

/** Updates some columns of a row; the same columns change again and again, so their statements are kept. */
function updater(db: Database.Database) {
  const statements = new Map<string, Database.Statement>();
  return (table: string, key: string, id: string | number, changes: object): void => {
    const columns = Object.keys(changes);
    if (columns.length === 0) return;
    const sql = `UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE ${key} = ?`;
    let statement = statements.get(sql);
    if (!statement) statements.set(sql, (statement = db.prepare(sql)));
    statement.run([...Object.values(changes).map(toStored), id]);
  };
}
