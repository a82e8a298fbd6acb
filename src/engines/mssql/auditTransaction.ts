import {
  ALERT_COLUMNS,
  NEW_ALERT_COLUMNS,
  NEW_BATCH_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
  SEAL_COLUMNS,
  TOMBSTONE_COLUMNS,
} from '../../domain/columns.js';
import { BatchGone } from '../../domain/errors.js';
import type { Alert, PipelineEvent, PipelineLog, PipelineRun, Seal } from '../../domain/model.js';
import type { AuditTransaction, EventsFound, NewBatch, TurnTaken } from '../contract.js';
import { SCHEDULE_WINDOW } from '../contract.js';
import { MOST_CHARACTERS, POSITION } from './columns.js';
import { mayNotRemove } from '../shared/mayNotRemove.js';
import { isMissingParent, isMissingRight } from './errors.js';
import { findRuns } from './findRuns.js';
import { findSeals } from './findSeals.js';
import { findTombstones } from './findTombstones.js';
import { given } from './given.js';
import { storedID } from './ids.js';
import { inOrder, readBatches } from './readBatches.js';
import { readRows } from './rows.js';
import { givenRunner } from './runGiven.js';
import type { Session } from './session.js';
import type { Statement, Statements } from './statements.js';
import { Conflict } from './transactions.js';

const EVENT_COLUMNS = [...PIPELINE_EVENT_COLUMNS, POSITION] as const;

/** The contract's statements in a transaction. */
export function auditTransaction(session: Session, sql: Statements): AuditTransaction {
  const run = givenRunner(session);
  const { DateTime2, Int, NVarChar } = session.driver;

  return {
    findRuns: (runIDs) => findRuns(session, sql, runIDs),
    findBatches: (logIDs) => findBatches(sql.findBatches, logIDs),
    lockBatches: (logIDs) => findBatches(sql.lockBatches, logIDs),
    readBatches: (logIDs) => readBatches(session, sql, sql.lockBatches, logIDs),
    findSuccessors: (logIDs) => findBatches(sql.findSuccessors, logIDs),
    findOpenDependents: (logIDs) => findBatches(sql.findOpenDependents, logIDs),
    findScheduled: (windows) => run(sql.findScheduled, SCHEDULE_WINDOW, windows, PIPELINE_LOG_COLUMNS),
    findAlerts: (logIDs) =>
      run<{ LogID: number }, Alert>(sql.findAlerts, ['LogID'], inOrder(logIDs), ALERT_COLUMNS),
    findEvents: (eventIDs) =>
      run<{ EventID: string }, PipelineEvent>(
        sql.findEvents,
        ['EventID'],
        eventIDs.map((EventID) => ({ EventID })),
        PIPELINE_EVENT_COLUMNS,
      ),
    findSeals: (logIDs) => findSeals(session, sql, logIDs),
    lastSeal: async () => {
      const [found] = await session.run(sql.lastSeal, {});
      return readRows<Seal>(SEAL_COLUMNS, found)[0];
    },

    openBatches: async (batches) => {
      const columns = [...NEW_BATCH_COLUMNS, POSITION] as const;
      const found = await run<NewBatch & { Position: number }, PipelineLog>(
        sql.openBatches,
        columns,
        withPositions(batches),
        PIPELINE_LOG_COLUMNS,
      );
      const batchOf = new Map(found.map((batch) => [originOf(batch), batch]));
      return batches.map((batch) => batchOf.get(originOf(batch)));
    },
    insertRuns: async (runs) => void (await run(sql.insertRuns, PIPELINE_RUN_COLUMNS, runs)),
    addEvents: (events) => addEvents(session, sql, events),
    insertAlerts: async (alerts) => void (await run(sql.insertAlerts, NEW_ALERT_COLUMNS, alerts)),

    putEvents: async (events) => void (await run(sql.putEvents, EVENT_COLUMNS, withPositions(events))),
    confirmEvents: async (eventIDs) =>
      void (await run(
        sql.confirmEvents,
        ['EventID'],
        eventIDs.map((EventID) => ({ EventID })),
      )),
    updateRuns: async (runs) => void (await run(sql.updateRuns, PIPELINE_RUN_COLUMNS, runs)),
    updateBatches: async (batches) => void (await run(sql.updateBatches, PIPELINE_LOG_COLUMNS, batches)),
    resolveAlerts: async (alertIDs, at) =>
      void (await run(
        sql.resolveAlerts,
        ['AlertID'],
        alertIDs.map((AlertID) => ({ AlertID })),
        [],
        { at: [DateTime2(3), new Date(at)] },
      )),
    insertSeals: async (seals) => void (await run(sql.insertSeals, SEAL_COLUMNS, seals)),

    findTombstones: (runIDs) => findTombstones(session, sql, runIDs),
    insertTombstones: async (tombstones) =>
      void (await run(sql.insertTombstones, TOMBSTONE_COLUMNS, tombstones)),
    removeBatches: async (logIDs) => {
      await run(sql.removeBatches, ['LogID'], inOrder(logIDs)).catch((error: unknown) => {
        throw isMissingRight(error) ? mayNotRemove(error) : error;
      });
    },

    takeTurn: async ({ scope, holder, forMs }) => {
      const [taken] = await session.run(sql.takeTurn, {
        scope: [NVarChar(MOST_CHARACTERS), storedID(scope)],
        holder: [NVarChar(MOST_CHARACTERS), storedID(holder)],
        forMs: [Int, forMs],
      });
      return readRows<TurnTaken>(['watermark'], taken)[0];
    },
    advance: async (scope, watermark) =>
      void (await session.run(sql.advance, {
        scope: [NVarChar(MOST_CHARACTERS), storedID(scope)],
        watermark: [DateTime2(3), new Date(watermark)],
      })),
  };

  function findBatches(statement: Statement, logIDs: readonly number[]): Promise<PipelineLog[]> {
    return run<{ LogID: number }, PipelineLog>(statement, ['LogID'], inOrder(logIDs), PIPELINE_LOG_COLUMNS);
  }
}

function withPositions<Row>(rows: readonly Row[]): Array<Row & { Position: number }> {
  return rows.map((row, Position) => ({ ...row, Position }));
}

function originOf({ OriginalRunID, Namespace }: NewBatch): string {
  return JSON.stringify([OriginalRunID, Namespace]);
}

function logIDsOf(events: readonly PipelineEvent[]): number[] {
  return [...new Set(events.map(({ LogID }) => LogID))];
}

async function addEvents(
  session: Session,
  sql: Statements,
  events: readonly PipelineEvent[],
): Promise<EventsFound> {
  const existing: PipelineEvent[] = [];
  const closedRuns = new Set<string>();
  for (const part of given(session.driver, EVENT_COLUMNS, withPositions(events))) {
    const [found, added = [], closed] = await session
      .run(
        // The lock lets either this or whoever closes one of the runs go first, and the last statement sees which.
        [
          sql.holdBatches(part.table(['LogID'])),
          sql.findEvents(part.table(['EventID'])),
          sql.insertEvents(part.table(EVENT_COLUMNS)),
          'SELECT @@ROWCOUNT AS [Added]',
          sql.findClosedRuns(part.table(['RunID'])),
        ].join(';\n'),
        part.inputs,
      )
      .catch((error: unknown) => {
        throw isMissingParent(error) ? new BatchGone(logIDsOf(events), { cause: error }) : error;
      });
    const there = readRows<PipelineEvent>(PIPELINE_EVENT_COLUMNS, found);
    if (there.length + Number(added[0]?.['Added']) !== part.count) {
      throw new Conflict('Another transaction added some of the events between two statements');
    }
    existing.push(...there);
    for (const { RunID } of readRows<PipelineRun>(['RunID'], closed)) closedRuns.add(RunID);
  }
  return { existing, closedRuns: [...closedRuns] };
}
