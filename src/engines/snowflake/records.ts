/** Rows of several tables by one statement, and batches with all that belongs to them. */
import {
  ALERT_COLUMNS,
  columnKind,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_RUN_COLUMNS,
} from '../../domain/columns.js';
import type { Alert, PipelineEvent, PipelineRun } from '../../domain/model.js';
import type { Belongings } from '../shared/records.js';
import { rowReader } from './rows.js';
import type { Row, Statement } from './session.js';
import { BATCH_TABLES, readList, TYPES, type Source, type Table } from './statements.js';

export interface Part {
  readonly table: Table;
  readonly columns: readonly string[];
  /** A condition on the table, which is called `T`. */
  readonly where: Source;
}

/** One statement for all parts: each row has the columns of all, NULL where its table has none, and `Part`. */
export function readParts(schema: string, parts: readonly Part[]): Statement {
  const all = [...new Set(parts.flatMap(({ columns }) => columns))];
  const selects = parts.map(({ table, columns, where }) => {
    const list = all.map((column) =>
      columns.includes(column)
        ? readList([column])
        : `CAST(NULL AS ${TYPES[columnKind(column)]}) AS "${column}"`,
    );
    return `SELECT '${table}' AS "Part", ${list.join(', ')} FROM ${schema}.${table} T WHERE ${where.text}`;
  });
  return { text: selects.join('\nUNION ALL\n'), binds: parts.flatMap(({ where }) => where.binds) };
}

export function rowsOf<T>(rows: readonly Row[], table: Table, columns: ReadonlyArray<keyof T & string>): T[] {
  return rows.filter(({ Part }) => Part === table).map(rowReader<T>(columns));
}

/** `batches` is a condition on PipelineLog; of the other tables it are the rows of these LogIDs. */
export function readRecords(
  schema: string,
  batches: Source,
  logIDs: Source,
  batchColumns: readonly string[],
): Statement {
  const where: Source = { ...logIDs, text: `T.LogID IN ${logIDs.text}` };
  const columns = {
    PipelineRun: PIPELINE_RUN_COLUMNS,
    PipelineEvent: PIPELINE_EVENT_COLUMNS,
    Alert: ALERT_COLUMNS,
  };
  return readParts(
    schema,
    BATCH_TABLES.map((table) =>
      table === 'PipelineLog'
        ? { table, columns: batchColumns, where: batches }
        : { table, columns: columns[table], where },
    ),
  );
}

/** In the order that readers expect: Snowflake does not know in which order rows were inserted. */
export function belongings(rows: readonly Row[]): Belongings {
  return {
    runs: sorted(rowsOf<PipelineRun>(rows, 'PipelineRun', PIPELINE_RUN_COLUMNS), (run) => [
      run.StartTime,
      run.Reason !== 'start',
      run.RunID,
    ]),
    events: sorted(rowsOf<PipelineEvent>(rows, 'PipelineEvent', PIPELINE_EVENT_COLUMNS), (event) => [
      event.EventTime,
      event.Attempt ?? -1,
      // A step's end in the same millisecond as its start comes after it.
      event.EventType !== 'start',
      event.StepSequenceNum ?? -1,
      event.EventID,
    ]),
    alerts: sorted(rowsOf<Alert>(rows, 'Alert', ALERT_COLUMNS), ({ AlertID }) => [AlertID]),
  };
}

type Keys = ReadonlyArray<string | number | boolean>;

function sorted<T>(rows: readonly T[], keysOf: (row: T) => Keys): T[] {
  return rows
    .map((row) => ({ row, keys: keysOf(row) }))
    .sort((a, b) => {
      const at = a.keys.findIndex((key, index) => key !== b.keys[index]);
      return at < 0 ? 0 : a.keys[at]! < b.keys[at]! ? -1 : 1;
    })
    .map(({ row }) => row);
}
