/** The pieces that the audit's statements are made of. */
import type { Bind } from 'snowflake-sdk';
import type { ColumnKind } from '../../domain/columns.js';
import { columnKind, PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import { OF_BATCHES } from '../contract.js';
import type { Statement } from './session.js';

/** Batches and what belongs to them. */
export const BATCH_TABLES = ['PipelineLog', 'PipelineRun', 'PipelineEvent', 'Alert'] as const;
/** In the order in which a transaction takes their locks, always the same, so that two never wait for each other. */
export const TABLES = [...BATCH_TABLES, 'Store', 'Seal', 'Tombstone', 'Turn'] as const;
export type Table = (typeof TABLES)[number];

/** Rows or ids of a bulk statement: a subquery that gives them, and what it binds. */
export interface Source {
  readonly text: string;
  readonly binds: readonly Bind[];
}

/** A time is read as its milliseconds since 1970: a number has neither a format nor a time zone. */
const READ: Readonly<Record<ColumnKind, (column: string) => string>> = {
  text: (column) => column,
  integer: (column) => column,
  boolean: (column) => column,
  time: (column) => `DATE_PART(EPOCH_MILLISECOND, ${column})`,
};

export const TYPES: Readonly<Record<ColumnKind, string>> = {
  text: 'VARCHAR',
  integer: 'NUMBER(38,0)',
  boolean: 'BOOLEAN',
  time: 'NUMBER(38,0)',
};

/** Read like a column of PipelineLog: tells later whether a row is still the one that was read. */
export const ROW_HASH = 'RowHash';

/** The columns of the table `T` as `rows.ts` reads them: in quotes their names come back as they are written. */
export function readList(columns: readonly string[]): string {
  const read = (column: string): string =>
    column === ROW_HASH ? rowHash() : READ[columnKind(column)](`T.${column}`);
  return columns.map((column) => `${read(column)} AS "${column}"`).join(', ');
}

export function rowHash(): string {
  return `TO_VARCHAR(HASH(${PIPELINE_LOG_COLUMNS.map((column) => `T.${column}`).join(', ')}))`;
}

export function time(placeholder: string): string {
  return `TO_TIMESTAMP_NTZ(${placeholder}, 3)`;
}

export function selectStoreID(schema: string): Statement {
  return { text: `SELECT StoreID AS "StoreID" FROM ${schema}.Store` };
}

export function selectCreatedAt(schema: string): Statement {
  return { text: `SELECT ${readList(['CreatedAt'])} FROM ${schema}.Store T` };
}

/** Rows whose batch is not there. No key of Snowflake prevents them. */
export function selectStrays(schema: string): Statement {
  const ofTable = (table: string): string =>
    `SELECT '${table}' AS "TableName", T.LogID AS "LogID", COUNT(*) AS "RowsFound" FROM ${schema}.${table} T
     LEFT JOIN ${schema}.PipelineLog L ON L.LogID = T.LogID WHERE L.LogID IS NULL
     ${table === 'Seal' ? `AND T.LogID NOT IN (SELECT LogID FROM ${schema}.Tombstone)` : ''} GROUP BY T.LogID`;
  return { text: OF_BATCHES.map(ofTable).join(' UNION ALL ') };
}

/** Ids as one bind, however many. */
export function ids(values: ReadonlyArray<string | number>): Source {
  const type = typeof values[0] === 'string' ? TYPES.text : TYPES.integer;
  return {
    text: `(SELECT F.VALUE::${type} FROM TABLE(FLATTEN(input => PARSE_JSON(?))) F)`,
    binds: [JSON.stringify(values)],
  };
}

/** Inserts the rows of `source` whose `keys` are not there, and with `update` replaces the others. */
export function merge(
  table: string,
  source: Source,
  { keys, insert = [], update = [], and }: MergeOptions,
): Statement {
  const on = [...keys.map((key) => `T.${key} = S.${key}`), ...(and ? [and] : [])].join(' AND ');
  const parts = [`MERGE INTO ${table} T USING ${source.text} S ON ${on}`];
  if (update.length > 0) {
    parts.push(
      `WHEN MATCHED THEN UPDATE SET ${update.map((column) => `${column} = S.${column}`).join(', ')}`,
    );
  }
  if (insert.length > 0) {
    const values = insert.map((column) => `S.${column}`).join(', ');
    parts.push(`WHEN NOT MATCHED THEN INSERT (${insert.join(', ')}) VALUES (${values})`);
  }
  return { text: parts.join(' '), binds: source.binds };
}

export interface MergeOptions {
  readonly keys: readonly string[];
  readonly insert?: readonly string[];
  readonly update?: readonly string[];
  /** A further condition on the row of the table `T` and that of the source `S`. */
  readonly and?: string;
}
