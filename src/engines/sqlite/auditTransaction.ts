import type Database from 'better-sqlite3';
import {
  NEW_ALERT_COLUMNS,
  NEW_BATCH_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
  SEAL_COLUMNS,
  TOMBSTONE_COLUMNS,
} from '../../domain/columns.js';
import { BatchGone } from '../../domain/errors.js';
import type { Alert, PipelineEvent, PipelineLog, PipelineRun, Seal, Tombstone } from '../../domain/model.js';
import type { AuditTransaction, TurnTaken } from '../contract.js';
import { SCHEDULE_WINDOW } from '../contract.js';
import { batchReader } from './readBatch.js';
import { fromStored, valuesOf } from './rows.js';

const FORMAT = "'%Y-%m-%dT%H:%M:%fZ'";
const NOW = `strftime(${FORMAT}, 'now')`;

/** Without the key: for one that is set, be it to what it is, SQLite searches other tables for rows that refer to it. */
const RUN_CHANGES = PIPELINE_RUN_COLUMNS.slice(1);
const BATCH_CHANGES = PIPELINE_LOG_COLUMNS.slice(1);

/**
 * The contract's statements, prepared once for a connection. They run in this process, so one row at a time is as fast as
 * many, and the transaction's write lock on the file is every lock there is.
 */
export function auditTransaction(db: Database.Database): AuditTransaction {
  const findRun = db.prepare('SELECT * FROM PipelineRun WHERE RunID = ?');
  const findBatch = db.prepare('SELECT * FROM PipelineLog WHERE LogID = ?');
  const findOrigin = db.prepare('SELECT * FROM PipelineLog WHERE OriginalRunID = ? AND Namespace = ?');
  const findSuccessors = db.prepare('SELECT * FROM PipelineLog WHERE PreviousLogID = ?');
  const findOpenDependents = db.prepare(
    `SELECT * FROM PipelineLog WHERE ParentLogID = :logID AND Resolution = 'open'
     UNION ALL SELECT * FROM PipelineLog WHERE ReplayOfLogID = :logID AND Resolution = 'open'`,
  );
  const findScheduled = db.prepare(
    "SELECT * FROM PipelineLog WHERE Namespace = ? AND ScheduleID = ? AND ScheduledTime = ? AND Status <> 'Continued'",
  );
  const findEvent = db.prepare('SELECT * FROM PipelineEvent WHERE EventID = ?');
  const findAlerts = db.prepare('SELECT * FROM Alert WHERE LogID = ?');
  const isClosed = db.prepare("SELECT 1 FROM PipelineRun WHERE RunID = ? AND Status <> 'Running'").pluck();
  const findSeal = db.prepare('SELECT * FROM Seal WHERE LogID = ? ORDER BY SealNo DESC LIMIT 1');
  const lastSeal = db.prepare<[], Seal>('SELECT * FROM Seal ORDER BY SealNo DESC LIMIT 1');
  const findTombstone = db.prepare('SELECT * FROM Tombstone WHERE RunID = ?');
  const isThere = db.prepare('SELECT 1 FROM PipelineLog WHERE LogID = ?').pluck();
  const readBatch = batchReader(db);

  const insertBatch = db.prepare(insert('PipelineLog', NEW_BATCH_COLUMNS));
  const insertRun = db.prepare(`${insert('PipelineRun', PIPELINE_RUN_COLUMNS)} ON CONFLICT DO NOTHING`);
  const insertEvent = db.prepare(insert('PipelineEvent', PIPELINE_EVENT_COLUMNS) + ' ON CONFLICT DO NOTHING');
  const putEvent = db.prepare(replaceEvent());
  const insertAlert = db.prepare(insert('Alert', NEW_ALERT_COLUMNS));
  const insertSeal = db.prepare(insert('Seal', SEAL_COLUMNS));
  const insertTombstone = db.prepare(insert('Tombstone', TOMBSTONE_COLUMNS));
  const remove = ['PipelineEvent', 'Alert', 'PipelineRun', 'PipelineLog'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE LogID = ?`),
  );

  const confirmEvent = db.prepare("UPDATE PipelineEvent SET Witness = 'both' WHERE EventID = ?");
  const updateRun = db.prepare(update('PipelineRun', RUN_CHANGES, 'RunID'));
  const updateBatch = db.prepare(update('PipelineLog', BATCH_CHANGES, 'LogID'));
  const resolveAlert = db.prepare('UPDATE Alert SET ResolvedAt = ? WHERE AlertID = ?');

  const firstTurn = db.prepare(
    `INSERT INTO Turn (Scope, Holder, HeldUntil, Watermark) VALUES (?, '', ${NOW}, ${NOW}) ON CONFLICT DO NOTHING`,
  );
  const takeTurn = db.prepare<{ scope: string; holder: string; until: string }, TurnTaken>(
    `UPDATE Turn SET Holder = :holder, HeldUntil = strftime(${FORMAT}, 'now', :until)
     WHERE Scope = :scope AND (Holder = :holder OR HeldUntil <= ${NOW}) RETURNING Watermark AS watermark`,
  );
  const advance = db.prepare('UPDATE Turn SET Watermark = ? WHERE Scope = ?');

  const findBatches = async (logIDs: readonly number[]): Promise<PipelineLog[]> => each(findBatch, logIDs);

  return {
    findRuns: async (runIDs) => each<PipelineRun>(findRun, runIDs),
    findBatches,
    lockBatches: findBatches,
    readBatches: async (logIDs) => logIDs.map(readBatch).filter((record) => record !== undefined),
    findSuccessors: async (logIDs) => each<PipelineLog>(findSuccessors, logIDs),
    findOpenDependents: async (logIDs) =>
      logIDs.flatMap((logID) => findOpenDependents.all({ logID }).map((row) => fromStored<PipelineLog>(row))),
    findScheduled: async (windows) =>
      windows.flatMap((window) =>
        findScheduled.all(valuesOf(window, SCHEDULE_WINDOW)).map((row) => fromStored<PipelineLog>(row)),
      ),
    findAlerts: async (logIDs) => each<Alert>(findAlerts, logIDs),
    findEvents: async (eventIDs) => each<PipelineEvent>(findEvent, eventIDs),
    findSeals: async (logIDs) => each<Seal>(findSeal, logIDs),
    lastSeal: async () => lastSeal.get(),

    openBatches: async (batches) =>
      batches.map((batch) => {
        const known = findOrigin.get(batch.OriginalRunID, batch.Namespace);
        if (known) return fromStored<PipelineLog>(known);
        if (findTombstone.get(batch.OriginalRunID)) return undefined;
        const { lastInsertRowid } = insertBatch.run(valuesOf(batch, NEW_BATCH_COLUMNS));
        return { LogID: Number(lastInsertRowid), ...batch };
      }),
    insertRuns: async (runs) => {
      for (const run of runs) insertRun.run(valuesOf(run, PIPELINE_RUN_COLUMNS));
    },
    addEvents: async (events) => {
      const gone = [...new Set(events.map(({ LogID }) => LogID))].filter((logID) => !isThere.get(logID));
      if (gone.length > 0) throw new BatchGone(gone);
      const there = events.filter(
        (event) => insertEvent.run(valuesOf(event, PIPELINE_EVENT_COLUMNS)).changes === 0,
      );
      const runIDs = new Set(events.map(({ RunID }) => RunID));
      return {
        existing: each<PipelineEvent>(
          findEvent,
          there.map(({ EventID }) => EventID),
        ),
        closedRuns: [...runIDs].filter((runID) => isClosed.get(runID) !== undefined),
      };
    },
    insertAlerts: async (alerts) => {
      for (const alert of alerts) insertAlert.run(valuesOf(alert, NEW_ALERT_COLUMNS));
    },

    putEvents: async (events) => {
      for (const event of events) putEvent.run(valuesOf(event, PIPELINE_EVENT_COLUMNS));
    },
    confirmEvents: async (eventIDs) => {
      for (const eventID of eventIDs) confirmEvent.run(eventID);
    },
    updateRuns: async (runs) => {
      for (const run of runs) updateRun.run([...valuesOf(run, RUN_CHANGES), run.RunID]);
    },
    updateBatches: async (batches) => {
      for (const batch of batches) updateBatch.run([...valuesOf(batch, BATCH_CHANGES), batch.LogID]);
    },
    resolveAlerts: async (alertIDs, at) => {
      for (const alertID of alertIDs) resolveAlert.run(at, alertID);
    },
    insertSeals: async (seals) => {
      for (const seal of seals) insertSeal.run(valuesOf(seal, SEAL_COLUMNS));
    },

    findTombstones: async (runIDs) => each<Tombstone>(findTombstone, runIDs),
    insertTombstones: async (tombstones) => {
      for (const tombstone of tombstones) insertTombstone.run(valuesOf(tombstone, TOMBSTONE_COLUMNS));
    },
    removeBatches: async (logIDs) => {
      for (const logID of logIDs) for (const statement of remove) statement.run(logID);
    },

    takeTurn: async ({ scope, holder, forMs }) => {
      firstTurn.run(scope);
      return takeTurn.get({ scope, holder, until: `${forMs / 1_000} seconds` });
    },
    advance: async (scope, watermark) => void advance.run(watermark, scope),
  };
}

function each<Row>(statement: Database.Statement, keys: ReadonlyArray<string | number>): Row[] {
  return keys.flatMap((key) => statement.all(key).map((row) => fromStored<Row>(row)));
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}

function update(table: string, changes: readonly string[], key: string): string {
  return `UPDATE ${table} SET ${changes.map((column) => `${column} = ?`).join(', ')} WHERE ${key} = ?`;
}

function replaceEvent(): string {
  const changes = PIPELINE_EVENT_COLUMNS.slice(1).map((name) => `${name} = excluded.${name}`);
  return `${insert('PipelineEvent', PIPELINE_EVENT_COLUMNS)} ON CONFLICT (EventID) DO UPDATE SET ${changes.join(', ')}`;
}
