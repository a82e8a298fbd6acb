import type Database from 'better-sqlite3';
import {
  ALERT_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
} from '../../domain/columns.js';
import type { Alert, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';
import type { AuditTransaction } from '../contract.js';
import { readBatch } from './auditReader.js';
import { fromStored, toStored } from './rows.js';

/** The contract's statements, prepared once for a connection. */
export function auditTransaction(db: Database.Database): AuditTransaction {
  const findRun = db.prepare('SELECT * FROM PipelineRun WHERE RunID = ?');
  const findBatch = db.prepare('SELECT * FROM PipelineLog WHERE LogID = ?');
  const findBatchByOrigin = db.prepare(
    'SELECT * FROM PipelineLog WHERE Namespace = ? AND WorkflowID = ? AND OriginalRunID = ?',
  );
  const insertBatch = db.prepare(insert('PipelineLog', PIPELINE_LOG_COLUMNS.slice(1)));
  const insertRun = db.prepare(insert('PipelineRun', PIPELINE_RUN_COLUMNS));
  const findEvent = db.prepare('SELECT * FROM PipelineEvent WHERE EventID = ?');
  const putEvent = db.prepare(replaceEvent());
  const insertAlert = db.prepare(insert('Alert', ALERT_COLUMNS.slice(1)));
  const resolveAlert = db.prepare('UPDATE Alert SET ResolvedAt = ? WHERE AlertID = ?');
  const findAlerts = db.prepare('SELECT * FROM Alert WHERE LogID = ? ORDER BY AlertID');

  const one = <Row>(stored: unknown): Row | undefined =>
    stored === undefined ? undefined : fromStored<Row>(stored);
  const update = (table: string, key: string, id: unknown, changes: object): void => {
    const names = Object.keys(changes);
    if (names.length === 0) return;
    db.prepare(
      `UPDATE ${table} SET ${names.map((name) => `${name} = @${name}`).join(', ')} WHERE ${key} = @key`,
    ).run({
      ...toStored(changes),
      key: id,
    });
  };

  return {
    findRun: async (runID) => one<PipelineRun>(findRun.get(runID)),
    findBatch: async (logID) => one<PipelineLog>(findBatch.get(logID)),
    findBatchByOrigin: async (...origin) => one<PipelineLog>(findBatchByOrigin.get(...origin)),
    insertBatch: async (batch) => Number(insertBatch.run(toStored(batch)).lastInsertRowid),
    updateBatch: async (logID, changes) => update('PipelineLog', 'LogID', logID, changes),
    insertRun: async (run) => void insertRun.run(toStored(run)),
    updateRun: async (runID, changes) => update('PipelineRun', 'RunID', runID, changes),
    findEvents: async (eventIDs) => {
      const found = eventIDs.map((eventID) => one<PipelineEvent>(findEvent.get(eventID)));
      return found.filter((event) => event !== undefined);
    },
    putEvents: async (events) => {
      for (const event of events) putEvent.run(toStored(event));
    },
    insertAlert: async (alert) => void insertAlert.run(toStored(alert)),
    resolveAlert: async (alertID, at) => void resolveAlert.run(at, alertID),
    findAlerts: async (logID) => findAlerts.all(logID).map((row) => fromStored<Alert>(row)),
    readBatch: async (logID) => readBatch(db, logID),
  };
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`;
}

function replaceEvent(): string {
  const changes = PIPELINE_EVENT_COLUMNS.slice(1).map((name) => `${name} = excluded.${name}`);
  return `${insert('PipelineEvent', PIPELINE_EVENT_COLUMNS)} ON CONFLICT (EventID) DO UPDATE SET ${changes.join(', ')}`;
}
