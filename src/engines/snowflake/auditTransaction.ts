/** The contract's statements, in one transaction. */
import {
  ALERT_COLUMNS,
  NEW_ALERT_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
  TOMBSTONE_COLUMNS,
} from '../../domain/columns.js';
import type { Alert, PipelineEvent, PipelineLog, PipelineRun, Tombstone } from '../../domain/model.js';
import type { AuditTransaction, ScheduleWindow } from '../contract.js';
import { SCHEDULE_WINDOW } from '../contract.js';
import { toRecords } from '../shared/records.js';
import { addEvents, EVENT_KEYS } from './addEvents.js';
import { checkOrigins, checkRuns } from './duplicates.js';
import type { Frame } from './frame.js';
import { Homes } from './homes.js';
import { LOCKED_COLUMNS, LockedBatches } from './lockedBatches.js';
import { openBatches } from './openBatches.js';
import { belongings, readRecords, rowsOf } from './records.js';
import { findSeals, insertSeals, lastSeal } from './seals.js';
import { rowReader } from './rows.js';
import type { Row } from './session.js';
import { BATCH_TABLES, ids, readList, time } from './statements.js';
import { Tables } from './tables.js';
import { takeTurn } from './takeTurn.js';

const EVENT_VALUES = PIPELINE_EVENT_COLUMNS.filter(
  (column) => !(EVENT_KEYS as readonly string[]).includes(column),
);

export function auditTransaction(frame: Frame, schema: string): AuditTransaction {
  const tables = new Tables(frame, schema);
  const locked = new LockedBatches(tables);
  const homes = new Homes();
  const about = <T extends { readonly LogID: number }>(rows: readonly T[]): readonly T[] => {
    frame.about(rows.map(({ LogID }) => LogID));
    return rows;
  };

  return {
    findRuns: async (runIDs) =>
      checkRuns(await tables.find<PipelineRun>('PipelineRun', PIPELINE_RUN_COLUMNS, 'RunID', runIDs)),
    findBatches: (logIDs) => {
      frame.about(logIDs);
      return tables.find<PipelineLog>('PipelineLog', PIPELINE_LOG_COLUMNS, 'LogID', logIDs);
    },
    lockBatches: (logIDs) => {
      frame.about(logIDs);
      return homes.ask(logIDs, (known) => locked.read(known));
    },
    readBatches: async (logIDs) => {
      if (logIDs.length === 0) return [];
      frame.about(logIDs);
      // Answered as they are in the tables, because that is what their seals are made of.
      const homeIDs = [...new Set(logIDs.map((logID) => homes.of(logID)))];
      await locked.lock(homeIDs);
      const asked = ids(homeIDs);
      // With the batches of the same origins, of which there should be none.
      const batches = {
        text: `(T.LogID IN ${asked.text} OR (T.OriginalRunID, T.Namespace) IN
          (SELECT O.OriginalRunID, O.Namespace FROM ${tables.name('PipelineLog')} O WHERE O.LogID IN ${asked.text}))`,
        binds: [...asked.binds, ...asked.binds],
      };
      const rows = await frame.read(BATCH_TABLES, readRecords(schema, batches, asked, LOCKED_COLUMNS));
      const found = locked.remember(rowsOf<Row>(rows, 'PipelineLog', LOCKED_COLUMNS));
      checkOrigins(found);
      return toRecords(found, belongings(rows));
    },
    findSuccessors: (logIDs) =>
      tables.find<PipelineLog>('PipelineLog', PIPELINE_LOG_COLUMNS, 'PreviousLogID', logIDs),
    findOpenDependents: (logIDs) => findOpenDependents(tables, logIDs),
    findScheduled: (windows) =>
      tables.findByKeys<PipelineLog, ScheduleWindow>(
        'PipelineLog',
        PIPELINE_LOG_COLUMNS,
        windows,
        SCHEDULE_WINDOW,
        "T.Status <> 'Continued'",
      ),
    findAlerts: (logIDs) =>
      homes.ask(logIDs, (known) => tables.find<Alert>('Alert', ALERT_COLUMNS, 'LogID', known)),
    findEvents: (eventIDs) =>
      tables.find<PipelineEvent>('PipelineEvent', PIPELINE_EVENT_COLUMNS, 'EventID', eventIDs),
    findSeals: (logIDs) => homes.ask(logIDs, (known) => findSeals(tables, known)),
    lastSeal: () => lastSeal(tables),

    openBatches: (batches) => openBatches(tables, batches),
    insertRuns: async (runs) =>
      tables.merge('PipelineRun', about(runs), PIPELINE_RUN_COLUMNS, {
        keys: ['RunID'],
        insert: PIPELINE_RUN_COLUMNS,
      }),
    addEvents: (events) => addEvents(tables, homes, about(events)),
    insertAlerts: async (alerts) => tables.insert('Alert', homes.store(about(alerts)), NEW_ALERT_COLUMNS),

    putEvents: async (events) =>
      tables.merge('PipelineEvent', homes.store(about(events)), PIPELINE_EVENT_COLUMNS, {
        keys: EVENT_KEYS,
        insert: PIPELINE_EVENT_COLUMNS,
        update: EVENT_VALUES,
      }),
    confirmEvents: async (eventIDs) =>
      tables.update('PipelineEvent', "Witness = 'both'", 'EventID', eventIDs),
    updateRuns: async (runs) =>
      tables.merge('PipelineRun', about(runs), PIPELINE_RUN_COLUMNS, {
        keys: ['RunID'],
        update: PIPELINE_RUN_COLUMNS.slice(1),
      }),
    updateBatches: async (batches) => locked.update(homes.store(about(batches))),
    resolveAlerts: async (alertIDs, at) =>
      tables.update('Alert', `ResolvedAt = ${time('?')}`, 'AlertID', alertIDs, [Date.parse(at)]),
    insertSeals: async (seals) => insertSeals(tables, homes.store(about(seals))),

    findTombstones: (runIDs) => tables.find<Tombstone>('Tombstone', TOMBSTONE_COLUMNS, 'RunID', runIDs),
    insertTombstones: async (tombstones) =>
      tables.insert('Tombstone', homes.store(about(tombstones)), TOMBSTONE_COLUMNS),
    removeBatches: async (logIDs) => {
      if (logIDs.length === 0) return;
      locked.remove(logIDs);
      for (const table of ['PipelineRun', 'PipelineEvent', 'Alert'] as const) tables.remove(table, logIDs);
    },

    takeTurn: (turn) => takeTurn(tables, turn),
    advance: async (scope, watermark) =>
      tables.update('Turn', `Watermark = ${time('?')}`, 'Scope', [scope], [Date.parse(watermark)]),
  };
}

async function findOpenDependents(tables: Tables, logIDs: readonly number[]): Promise<PipelineLog[]> {
  if (logIDs.length === 0) return [];
  const { text, binds } = ids(logIDs);
  const rows = await tables.frame.read(['PipelineLog'], {
    text: `SELECT ${readList(PIPELINE_LOG_COLUMNS)} FROM ${tables.name('PipelineLog')} T
      WHERE T.Resolution = 'open' AND (T.ParentLogID IN ${text} OR T.ReplayOfLogID IN ${text})`,
    binds: [...binds, ...binds],
  });
  return rows.map(rowReader<PipelineLog>(PIPELINE_LOG_COLUMNS));
}
