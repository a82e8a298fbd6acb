import type pg from 'pg';
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
import type { PipelineEvent } from '../../domain/model.js';
import type { AuditTransaction, EventsFound, NewBatch } from '../contract.js';
import { SCHEDULE_WINDOW } from '../contract.js';
import { mayNotRemove } from '../shared/mayNotRemove.js';
import { isMissingRight } from './errors.js';
import {
  readAlertRow,
  readBatches,
  readBatchRow,
  readEventRow,
  readRunRow,
  readSealRow,
  readTombstoneRow,
} from './readBatches.js';
import type { Texts } from './rows.js';
import { arraysOf, isoTime } from './rows.js';
import { run } from './run.js';
import type { Statement, Statements } from './statements.js';

/** The contract's statements on a connection that is in a transaction. */
export function auditTransaction(client: pg.ClientBase, sql: Statements): AuditTransaction {
  const find = async <Row>(
    statement: Statement,
    ids: readonly unknown[],
    read: (texts: Texts) => Row,
  ): Promise<Row[]> => (ids.length === 0 ? [] : (await run(client, statement, [ids])).map(read));

  const change = async <Row>(
    statement: Statement,
    rows: readonly Row[],
    columns: ReadonlyArray<keyof Row>,
  ): Promise<void> => {
    if (rows.length > 0) await run(client, statement, arraysOf(rows, columns));
  };

  return {
    findRuns: (runIDs) => find(sql.findRuns, runIDs, readRunRow),
    findBatches: (logIDs) => find(sql.findBatches, logIDs, readBatchRow),
    lockBatches: (logIDs) => find(sql.lockBatches, logIDs, readBatchRow),
    readBatches: async (logIDs) =>
      logIDs.length === 0 ? [] : readBatches(client, sql, sql.lockBatches, logIDs),
    findSuccessors: (logIDs) => find(sql.findSuccessors, logIDs, readBatchRow),
    findOpenDependents: (logIDs) => find(sql.findOpenDependents, logIDs, readBatchRow),
    findScheduled: async (windows) =>
      windows.length === 0
        ? []
        : (await run(client, sql.findScheduled, arraysOf(windows, SCHEDULE_WINDOW))).map(readBatchRow),
    findAlerts: (logIDs) => find(sql.findAlertsOf, logIDs, readAlertRow),
    findEvents: (eventIDs) => find(sql.findEvents, eventIDs, readEventRow),
    findSeals: (logIDs) => find(sql.findSeals, logIDs, readSealRow),
    lastSeal: async () => {
      // The second statement sees what others have added while the first one waited for them.
      const [, found] = await Promise.all([run(client, sql.holdChain, []), run(client, sql.lastSeal, [])]);
      return found.map(readSealRow)[0];
    },

    openBatches: async (batches) => {
      if (batches.length === 0) return [];
      // The second statement sees what others have committed while the first one waited for them.
      const [, found] = await Promise.all([
        run(client, sql.openBatches, arraysOf(batches, NEW_BATCH_COLUMNS)),
        run(client, sql.findOrigins, arraysOf(batches, ['OriginalRunID', 'Namespace'])),
      ]);
      const batchOf = new Map(found.map(readBatchRow).map((batch) => [originOf(batch), batch]));
      return batches.map((batch) => batchOf.get(originOf(batch)));
    },
    insertRuns: (runs) => change(sql.insertRuns, runs, PIPELINE_RUN_COLUMNS),
    addEvents: (events) => addEvents(client, sql, events),
    insertAlerts: (alerts) => change(sql.insertAlerts, alerts, NEW_ALERT_COLUMNS),

    putEvents: (events) => change(sql.putEvents, events, PIPELINE_EVENT_COLUMNS),
    confirmEvents: async (eventIDs) => {
      if (eventIDs.length > 0) await run(client, sql.confirmEvents, [eventIDs]);
    },
    updateRuns: (runs) => change(sql.updateRuns, runs, PIPELINE_RUN_COLUMNS),
    updateBatches: (batches) => change(sql.updateBatches, batches, PIPELINE_LOG_COLUMNS),
    resolveAlerts: async (alertIDs, at) => {
      if (alertIDs.length > 0) await run(client, sql.resolveAlerts, [alertIDs, at]);
    },
    insertSeals: (seals) => change(sql.insertSeals, seals, SEAL_COLUMNS),

    findTombstones: (runIDs) => find(sql.findTombstones, runIDs, readTombstoneRow),
    insertTombstones: (tombstones) => change(sql.insertTombstones, tombstones, TOMBSTONE_COLUMNS),
    removeBatches: async (logIDs) => {
      if (logIDs.length === 0) return;
      // What refers to the batches goes first.
      const statements = [sql.removeEvents, sql.removeAlerts, sql.removeRuns, sql.removeBatches];
      const removing = Promise.all(statements.map((statement) => run(client, statement, [logIDs])));
      await removing.catch((error: unknown) => {
        throw isMissingRight(error) ? mayNotRemove(error) : error;
      });
    },

    takeTurn: async ({ scope, holder, forMs }) => {
      const [, taken] = await Promise.all([
        run(client, sql.firstTurn, [scope]),
        run(client, sql.takeTurn, [scope, holder, forMs]),
      ]);
      return taken.map(([watermark]) => ({ watermark: isoTime(watermark!) }))[0];
    },
    advance: async (scope, watermark) => void (await run(client, sql.advance, [scope, watermark])),
  };
}

function originOf({ OriginalRunID, Namespace }: NewBatch): string {
  return JSON.stringify([OriginalRunID, Namespace]);
}

async function addEvents(
  client: pg.ClientBase,
  sql: Statements,
  events: readonly PipelineEvent[],
): Promise<EventsFound> {
  if (events.length === 0) return { existing: [], closedRuns: [] };
  const logIDs = [...new Set(events.map(({ LogID }) => LogID))];
  const runIDs = [...new Set(events.map(({ RunID }) => RunID))];
  // The first statement waits for whoever closes one of the runs, and the last one sees that it is closed. The insert
  // alone would share its lock with another insert; when both then change the batch, each waits for the other.
  const held = run(client, sql.holdBatches, [logIDs]);
  const [, added, closed] = await Promise.all([
    held,
    run(client, sql.addEvents, arraysOf(events, PIPELINE_EVENT_COLUMNS)),
    run(client, sql.findClosedRuns, [runIDs]),
  ]).catch(async (error: unknown) => {
    const there = new Set((await held).map(([logID]) => Number(logID)));
    const gone = logIDs.filter((logID) => !there.has(logID));
    throw gone.length > 0 ? new BatchGone(gone, { cause: error }) : error;
  });
  const addedIDs = new Set(added.map(([eventID]) => eventID));
  const there = events.filter(({ EventID }) => !addedIDs.has(EventID)).map(({ EventID }) => EventID);
  return {
    existing: there.length === 0 ? [] : (await run(client, sql.findEvents, [there])).map(readEventRow),
    closedRuns: closed.map(([runID]) => runID!),
  };
}
