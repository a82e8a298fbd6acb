/**
 * The contract's statements. They read the rows or ids that they are about from `given`, a derived table. Hints for
 * locks and MERGE are left out: unique keys decide who was first, and the transaction that came second runs again.
 */
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
import { FAILED_STATUSES } from '../../domain/model.js';
import { OF_BATCHES, SCHEDULE_WINDOW } from '../contract.js';
import { list, POSITION } from './columns.js';

/** As exact as it is stored: a time that was rounded up would still be to come. */
const NOW = 'CAST(SYSUTCDATETIME() AS DATETIME2(3))';

export type Statements = ReturnType<typeof statements>;
export type Statement = (given: string) => string;

/** `schema` in brackets. */
export function statements(schema: string) {
  const batches = `${schema}.[PipelineLog]`;
  const runs = `${schema}.[PipelineRun]`;
  const events = `${schema}.[PipelineEvent]`;
  const alerts = `${schema}.[Alert]`;
  const seals = `${schema}.[Seal]`;
  const tombstones = `${schema}.[Tombstone]`;
  const turns = `${schema}.[Turn]`;
  const store = `${schema}.[Store]`;
  const findBatches: Statement = (given) =>
    `${select(PIPELINE_LOG_COLUMNS, batches)} ${isIn('LogID', given)}`;
  // An update that changes nothing locks the rows, whatever the isolation level lets readers see.
  const holdBatches: Statement = (given) =>
    `UPDATE ${batches} SET [RetryCount] = [RetryCount] ${isIn('LogID', given)}`;
  const lockBatches: Statement = (given) => `${holdBatches(given)};\n${findBatches(given)}`;
  // In their order, which EventNo keeps.
  const insertEvents: Statement = (given) =>
    `${insertMissing(events, PIPELINE_EVENT_COLUMNS, given)} ORDER BY given.[${POSITION}]`;
  const uncertified = (
    hasEnd: string,
  ): string => `FROM ${runs} AS R JOIN ${batches} AS L ON L.[LogID] = R.[LogID]
      WHERE R.[CertifiedAt] IS NULL AND R.[EndTime] IS ${hasEnd} AND L.[Namespace] = @namespace AND L.[WorkflowType] IS NOT NULL`;
  const page = (
    hasEnd: string,
  ): string => `SELECT TOP (@limit) R.[RunID], R.[LogID], R.[Status], R.[StartTime], R.[EndTime], L.[WorkflowID]
      ${uncertified(hasEnd)} AND R.[LogID] >= @logID AND (R.[LogID] > @logID OR R.[RunID] > @runID)
      ORDER BY R.[LogID], R.[RunID]`;
  return {
    findBatches,
    holdBatches,
    lockBatches,
    findRuns: (given: string) => `${select(PIPELINE_RUN_COLUMNS, runs)} ${isIn('RunID', given)}`,
    findEvents: (given: string) => `${select(PIPELINE_EVENT_COLUMNS, events)} ${isIn('EventID', given)}`,
    findAlerts: (given: string) =>
      `${select(ALERT_COLUMNS, alerts)} ${isIn('LogID', given)} ORDER BY [AlertID]`,
    findRunsOf: (given: string) =>
      `${select(PIPELINE_RUN_COLUMNS, runs)} ${isIn('LogID', given)} ORDER BY [StartTime], ${isLast('Reason', 'start')}, [RunID]`,
    // A step's end in the same millisecond as its start comes after it.
    findEventsOf: (given: string) =>
      `${select(PIPELINE_EVENT_COLUMNS, events)} ${isIn('LogID', given)} ORDER BY [EventTime], [Attempt], ${isLast('EventType', 'start')}, [EventNo]`,
    findSuccessors: (given: string) =>
      `${select(PIPELINE_LOG_COLUMNS, batches)} ${isIn('PreviousLogID', given, 'LogID')} AND [PreviousLogID] IS NOT NULL`,
    findOpenDependents: (given: string) =>
      ['ParentLogID', 'ReplayOfLogID']
        .map((link) => `${select(PIPELINE_LOG_COLUMNS, batches)} ${isIn(link, given, 'LogID')}`)
        .map((linked) => `${linked} AND [Resolution] = N'open'`)
        .join(' UNION ALL '),
    findScheduled: (given: string) =>
      `SELECT ${list(PIPELINE_LOG_COLUMNS, 'known')} FROM ${given} AS given JOIN ${batches} AS known
       ON ${SCHEDULE_WINDOW.map((column) => `known.[${column}] = given.[${column}]`).join(' AND ')}
       WHERE known.[ScheduledTime] IS NOT NULL AND known.[Status] <> N'Continued'`,
    findClosedRuns: (given: string) =>
      `SELECT [RunID] FROM ${runs} ${isIn('RunID', given)} AND [Status] <> N'Running'`,
    findSeals: (given: string) =>
      `${select(SEAL_COLUMNS, seals)} WHERE [SealNo] IN (SELECT MAX([SealNo]) FROM ${seals} ${isIn('LogID', given)} GROUP BY [LogID])`,
    // An update that changes nothing locks the one row that is there also before the first seal is.
    lastSeal: `UPDATE ${store} SET [CreatedAt] = [CreatedAt];
      SELECT TOP (1) ${list(SEAL_COLUMNS)} FROM ${seals} ORDER BY [SealNo] DESC`,

    openBatches: (given: string) =>
      `${insert(batches, NEW_BATCH_COLUMNS, given)} WHERE NOT EXISTS (SELECT 1 FROM ${batches} AS known WHERE ${isOrigin})
         AND NOT EXISTS (SELECT 1 FROM ${tombstones} AS purged WHERE purged.[RunID] = given.[OriginalRunID])
       ORDER BY given.[${POSITION}];
       SELECT ${list(PIPELINE_LOG_COLUMNS, 'known')} FROM ${given} AS given JOIN ${batches} AS known ON ${isOrigin}
       ORDER BY given.[${POSITION}]`,
    insertRuns: (given: string) => insertMissing(runs, PIPELINE_RUN_COLUMNS, given),
    insertEvents,
    insertAlerts: (given: string) => insert(alerts, NEW_ALERT_COLUMNS, given),

    putEvents: (given: string) => `${update(events, PIPELINE_EVENT_COLUMNS, given)};\n${insertEvents(given)}`,
    confirmEvents: (given: string) =>
      `UPDATE ${events} SET [Witness] = N'both' ${isIn('EventID', given)} AND [Witness] <> N'both'`,
    updateRuns: (given: string) => update(runs, PIPELINE_RUN_COLUMNS, given),
    updateBatches: (given: string) => update(batches, PIPELINE_LOG_COLUMNS, given),
    resolveAlerts: (given: string) => `UPDATE ${alerts} SET [ResolvedAt] = @at ${isIn('AlertID', given)}`,
    insertSeals: (given: string) => insert(seals, SEAL_COLUMNS, given),

    findTombstones: (given: string) => `${select(TOMBSTONE_COLUMNS, tombstones)} ${isIn('RunID', given)}`,
    listTombstones: `SELECT TOP (@limit) ${list(TOMBSTONE_COLUMNS)} FROM ${tombstones}
      WHERE [LogID] >= @logID AND ([LogID] > @logID OR [RunID] > @runID) ORDER BY [LogID], [RunID]`,
    countPurged: `SELECT COUNT(DISTINCT [LogID]) AS [batches] FROM ${tombstones} WHERE [PurgedByLogID] = @by`,
    insertTombstones: (given: string) => insert(tombstones, TOMBSTONE_COLUMNS, given),
    // What refers to the batches goes first.
    removeBatches: (given: string) =>
      [events, alerts, runs, batches]
        .map((table) => `DELETE FROM ${table} ${isIn('LogID', given)}`)
        .join(';\n'),
    // What ended before a time started before it, too: that is what the index is by.
    oldBatches: `SELECT TOP (@limit) L.[LogID], L.[PipelineName], L.[StartTime],
        (SELECT COUNT_BIG(*) FROM ${events} AS E WHERE E.[LogID] = L.[LogID]) AS [Events]
      FROM ${batches} AS L
      WHERE L.[StartTime] < @before AND L.[EndTime] < @before AND L.[Status] <> N'Running'
        AND (L.[Resolution] IS NULL OR L.[Resolution] <> N'open')
        AND (@keepFailed = 0 OR L.[Status] NOT IN (${FAILED_STATUSES.map((status) => `N'${status}'`).join(', ')}))
        AND NOT EXISTS (SELECT 1 FROM ${runs} AS R WHERE R.[LogID] = L.[LogID]
          AND (R.[Status] = N'Running' OR (R.[CertifiedAt] IS NULL AND L.[WorkflowType] IS NOT NULL)))
        AND L.[StartTime] >= @startTime AND (L.[StartTime] > @startTime OR L.[LogID] > @logID)
      ORDER BY L.[StartTime], L.[LogID]`,

    takeTurn: `INSERT INTO ${turns} ([Scope], [Holder], [HeldUntil], [Watermark])
      SELECT @scope, N'', ${NOW}, ${NOW} WHERE NOT EXISTS (SELECT 1 FROM ${turns} WHERE [Scope] = @scope);
      UPDATE ${turns} SET [Holder] = @holder, [HeldUntil] = DATEADD(MILLISECOND, @forMs, ${NOW})
      OUTPUT inserted.[Watermark] AS [watermark]
      WHERE [Scope] = @scope AND ([Holder] = @holder OR [HeldUntil] <= ${NOW})`,
    advance: `UPDATE ${turns} SET [Watermark] = @watermark WHERE [Scope] = @scope`,

    storeID: `SELECT [StoreID] FROM ${store}`,
    createdAt: `SELECT [CreatedAt] FROM ${store}`,
    strays: OF_BATCHES.map(
      (
        table,
      ) => `SELECT N'${table}' AS [TableName], T.[LogID], COUNT_BIG(*) AS [RowsFound] FROM ${schema}.[${table}] AS T
        WHERE NOT EXISTS (SELECT 1 FROM ${batches} AS L WHERE L.[LogID] = T.[LogID])
        ${table === 'Seal' ? `AND NOT EXISTS (SELECT 1 FROM ${tombstones} AS P WHERE P.[LogID] = T.[LogID])` : ''} GROUP BY T.[LogID]`,
    ).join(' UNION ALL '),
    openRuns: page('NULL'),
    endedRuns: page('NOT NULL'),
    countOpenRuns: `SELECT COUNT(*) AS [runs] ${uncertified('NULL')}`,
  };
}

/** The unique index has no rows without OriginalRunID, and is used only if that is clear. */
const isOrigin =
  'known.[OriginalRunID] = given.[OriginalRunID] AND known.[Namespace] = given.[Namespace] AND known.[OriginalRunID] IS NOT NULL';

function select(columns: readonly string[], table: string): string {
  return `SELECT ${list(columns)} FROM ${table}`;
}

function isIn(column: string, given: string, key = column): string {
  return `WHERE [${column}] IN (SELECT given.[${key}] FROM ${given} AS given)`;
}

function isLast(column: string, first: string): string {
  return `CASE [${column}] WHEN N'${first}' THEN 0 ELSE 1 END`;
}

function insert(table: string, columns: readonly string[], given: string): string {
  return `INSERT INTO ${table} (${list(columns)}) SELECT ${list(columns, 'given')} FROM ${given} AS given`;
}

/** The first column is the key. */
function insertMissing(table: string, columns: readonly string[], given: string): string {
  const [key] = columns;
  return `${insert(table, columns, given)} WHERE NOT EXISTS (SELECT 1 FROM ${table} AS known WHERE known.[${key}] = given.[${key}])`;
}

/** The first column is the key. */
function update(table: string, [key, ...columns]: readonly string[], given: string): string {
  const changes = columns.map((column) => `[${column}] = given.[${column}]`).join(', ');
  return `UPDATE known SET ${changes} FROM ${table} AS known JOIN ${given} AS given ON given.[${key}] = known.[${key}]`;
}
