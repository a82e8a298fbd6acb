/**
 * The contract's statements. Each takes any number of rows: as an array of ids, or as one array for each column.
 *
 * Those that only insert have names, so that a connection parses and plans them once. The others are planned each time
 * for the tables as they are: a plan made for tables that were empty would stay, and read all of them once they are large.
 */
import type { ColumnKind } from '../../domain/columns.js';
import {
  ALERT_COLUMNS,
  columnKind,
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

const ARRAYS: Readonly<Record<ColumnKind, string>> = {
  text: 'text[]',
  integer: 'bigint[]',
  boolean: 'boolean[]',
  time: 'timestamptz[]',
};

export interface Statement {
  readonly text: string;
  readonly name?: string;
}

/** As exact as it is stored: a time that was rounded up would still be to come. */
const NOW = "date_trunc('milliseconds', clock_timestamp())";

export type Statements = ReturnType<typeof statements>;

/** `schema` in quotes. */
export function statements(schema: string) {
  const batches = `${schema}.PipelineLog`;
  const runs = `${schema}.PipelineRun`;
  const events = `${schema}.PipelineEvent`;
  const alerts = `${schema}.Alert`;
  const seals = `${schema}.Seal`;
  const tombstones = `${schema}.Tombstone`;
  const turns = `${schema}.Turn`;
  const store = `${schema}.Store`;
  const uncertified = (hasEnd: string): string => `FROM ${runs} AS R JOIN ${batches} AS L USING (LogID)
      WHERE R.CertifiedAt IS NULL AND R.EndTime IS ${hasEnd} AND L.Namespace = $1 AND L.WorkflowType IS NOT NULL`;
  const page = (
    hasEnd: string,
  ): string => `SELECT R.RunID, R.LogID, R.Status, R.StartTime, R.EndTime, L.WorkflowID
      ${uncertified(hasEnd)} AND R.LogID >= $2 AND (R.LogID > $2 OR R.RunID > $3)
      ORDER BY R.LogID, R.RunID LIMIT $4`;
  const sql = {
    findBatches: `${select(PIPELINE_LOG_COLUMNS, batches)} WHERE LogID = ANY ($1::integer[]) ORDER BY LogID`,
    // FOR UPDATE and nothing weaker: it makes inserts of events and runs of these batches wait, as their foreign keys
    // lock the same rows. Always in the order of LogID, so that two transactions don't wait for each other.
    lockBatches: `${select(PIPELINE_LOG_COLUMNS, batches)} WHERE LogID = ANY ($1::integer[]) ORDER BY LogID FOR UPDATE`,
    holdBatches: `SELECT LogID FROM ${batches} WHERE LogID = ANY ($1::integer[]) ORDER BY LogID FOR UPDATE`,
    findSuccessors: `${select(PIPELINE_LOG_COLUMNS, batches)} WHERE PreviousLogID = ANY ($1::integer[]) ORDER BY LogID`,
    findOpenDependents: `${select(PIPELINE_LOG_COLUMNS, batches)} WHERE Resolution = 'open'
      AND (ParentLogID = ANY ($1::integer[]) OR ReplayOfLogID = ANY ($1::integer[])) ORDER BY LogID`,
    findScheduled: `SELECT ${list(PIPELINE_LOG_COLUMNS, 'known')} FROM ${given(SCHEDULE_WINDOW)}
      JOIN ${batches} AS known USING (${list(SCHEDULE_WINDOW)})
      WHERE known.ScheduledTime IS NOT NULL AND known.Status <> 'Continued' ORDER BY known.LogID`,
    findRuns: `${select(PIPELINE_RUN_COLUMNS, runs)} WHERE RunID = ANY ($1::text[])`,
    findRunsOf: `${select(PIPELINE_RUN_COLUMNS, runs)} WHERE LogID = ANY ($1::integer[]) ORDER BY StartTime, ctid`,
    findEvents: `${select(PIPELINE_EVENT_COLUMNS, events)} WHERE EventID = ANY ($1::text[])`,
    // A step's end in the same millisecond as its start comes after it; the rest as it was inserted.
    findEventsOf: `${select(PIPELINE_EVENT_COLUMNS, events)} WHERE LogID = ANY ($1::integer[])
      ORDER BY LogID, EventTime, Attempt NULLS FIRST, EventType <> 'start', ctid`,
    findAlertsOf: `${select(ALERT_COLUMNS, alerts)} WHERE LogID = ANY ($1::integer[]) ORDER BY AlertID`,
    findSeals: `SELECT DISTINCT ON (LogID) ${list(SEAL_COLUMNS)} FROM ${seals}
      WHERE LogID = ANY ($1::integer[]) ORDER BY LogID, SealNo DESC`,
    // The one row that is there also before the first seal is.
    holdChain: `SELECT FROM ${store} FOR UPDATE`,
    lastSeal: `${select(SEAL_COLUMNS, seals)} ORDER BY SealNo DESC LIMIT 1`,

    // What is known is left out first, because a conflict costs a LogID.
    openBatches: `${insert(batches, NEW_BATCH_COLUMNS)}
      WHERE (SELECT LogID FROM ${batches} AS known
             WHERE known.OriginalRunID = given.OriginalRunID AND known.Namespace = given.Namespace) IS NULL
        AND (SELECT LogID FROM ${tombstones} AS purged WHERE purged.RunID = given.OriginalRunID) IS NULL
      ON CONFLICT (OriginalRunID, Namespace) DO NOTHING`,
    findOrigins: `SELECT ${list(PIPELINE_LOG_COLUMNS, 'known')}
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (OriginalRunID, Namespace, Position)
      JOIN ${batches} AS known USING (OriginalRunID, Namespace) ORDER BY given.Position`,
    findClosedRuns: `SELECT RunID FROM ${runs} WHERE RunID = ANY ($1::text[]) AND Status <> 'Running'`,

    confirmEvents: `UPDATE ${events} SET Witness = 'both' WHERE EventID = ANY ($1::text[]) AND Witness <> 'both'`,
    updateRuns: update(runs, PIPELINE_RUN_COLUMNS),
    updateBatches: update(batches, PIPELINE_LOG_COLUMNS),
    resolveAlerts: `UPDATE ${alerts} SET ResolvedAt = $2 WHERE AlertID = ANY ($1::integer[])`,

    findTombstones: `${select(TOMBSTONE_COLUMNS, tombstones)} WHERE RunID = ANY ($1::text[])`,
    listTombstones: `${select(TOMBSTONE_COLUMNS, tombstones)} WHERE (LogID, RunID) > ($1, $2) ORDER BY LogID, RunID LIMIT $3`,
    countPurged: `SELECT count(DISTINCT LogID) FROM ${tombstones} WHERE PurgedByLogID = $1`,
    removeEvents: remove(events),
    removeAlerts: remove(alerts),
    removeRuns: remove(runs),
    removeBatches: remove(batches),
    // What ended before a time started before it, too: that is what the index is by. Runs and events are counted batch by
    // batch: a join would read all of them for each page.
    oldBatches: `SELECT LogID, PipelineName, StartTime,
        (SELECT count(*) FROM ${events} AS E WHERE E.LogID = L.LogID) AS Events
      FROM ${batches} AS L
      WHERE StartTime < $1 AND EndTime < $1 AND Status <> 'Running' AND Resolution IS DISTINCT FROM 'open'
        AND NOT ($2 AND Status IN (${FAILED_STATUSES.map((status) => `'${status}'`).join(', ')}))
        AND (SELECT count(*) FROM ${runs} AS R WHERE R.LogID = L.LogID
          AND (R.Status = 'Running' OR (R.CertifiedAt IS NULL AND L.WorkflowType IS NOT NULL))) = 0
        AND (StartTime, LogID) > ($3, $4)
      ORDER BY StartTime, LogID LIMIT $5`,

    takeTurn: `UPDATE ${turns} SET Holder = $2, HeldUntil = ${NOW} + $3 * interval '1 millisecond'
      WHERE Scope = $1 AND (Holder = $2 OR HeldUntil <= ${NOW}) RETURNING Watermark`,
    advance: `UPDATE ${turns} SET Watermark = $2 WHERE Scope = $1`,

    storeID: `SELECT StoreID FROM ${store}`,
    createdAt: `SELECT CreatedAt FROM ${store}`,
    strays: OF_BATCHES.map(
      (table) => `SELECT '${table}' AS TableName, T.LogID, COUNT(*) AS RowsFound FROM ${schema}.${table} AS T
        WHERE NOT EXISTS (SELECT FROM ${batches} AS L WHERE L.LogID = T.LogID)
        ${table === 'Seal' ? `AND NOT EXISTS (SELECT FROM ${tombstones} AS P WHERE P.LogID = T.LogID)` : ''} GROUP BY T.LogID`,
    ).join(' UNION ALL '),
    openRuns: page('NULL'),
    endedRuns: page('NOT NULL'),
    countOpenRuns: `SELECT count(*) ${uncertified('NULL')}`,
  };
  const inserts = {
    insertRuns: `${insert(runs, PIPELINE_RUN_COLUMNS)} ON CONFLICT (RunID) DO NOTHING`,
    addEvents: `${insert(events, PIPELINE_EVENT_COLUMNS)} ON CONFLICT (EventID) DO NOTHING RETURNING EventID`,
    insertAlerts: insert(alerts, NEW_ALERT_COLUMNS),
    putEvents: `${insert(events, PIPELINE_EVENT_COLUMNS)}
      ON CONFLICT (EventID) DO UPDATE SET ${PIPELINE_EVENT_COLUMNS.slice(1)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}`,
    insertSeals: insert(seals, SEAL_COLUMNS),
    insertTombstones: insert(tombstones, TOMBSTONE_COLUMNS),
    firstTurn: `INSERT INTO ${turns} (Scope, Holder, HeldUntil, Watermark) VALUES ($1, '', ${NOW}, ${NOW})
      ON CONFLICT (Scope) DO NOTHING`,
  };
  return {
    ...mapValues(sql, (text): Statement => ({ text })),
    ...mapValues(inserts, (text, name): Statement => ({ text, name })),
  };
}

export function select(columns: readonly string[], table: string): string {
  return `SELECT ${list(columns)} FROM ${table}`;
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${list(columns)}) SELECT ${list(columns)} FROM ${given(columns)}`;
}

function remove(table: string): string {
  return `DELETE FROM ${table} WHERE LogID = ANY ($1::integer[])`;
}

/** The first column is the key. */
function update(table: string, [key, ...columns]: readonly string[]): string {
  const changes = columns.map((column) => `${column} = given.${column}`).join(', ');
  return `UPDATE ${table} AS known SET ${changes} FROM ${given([key!, ...columns])} WHERE known.${key} = given.${key}`;
}

function given(columns: readonly string[]): string {
  const arrays = columns.map((column, index) => `$${index + 1}::${ARRAYS[columnKind(column)]}`);
  return `unnest(${arrays.join(', ')}) AS given (${list(columns)})`;
}

function list(columns: readonly string[], table?: string): string {
  return columns.map((column) => (table ? `${table}.${column}` : column)).join(', ');
}

function mapValues<Name extends string, T>(
  texts: Record<Name, string>,
  make: (text: string, name: string) => T,
): Record<Name, T> {
  const entries = Object.entries<string>(texts).map(([name, text]) => [name, make(text, name)]);
  return Object.fromEntries(entries) as Record<Name, T>;
}
