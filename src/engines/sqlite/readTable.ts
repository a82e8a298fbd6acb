/** Reads a table as a stream of chunks, with all values as they are stored. */
import type Database from 'better-sqlite3';
import { NotFound } from '../../domain/errors.js';
import type { SqlValue, TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { TableStream } from '../warehouseContract.js';
import { quote } from './connect.js';
import { columnsOf, tablesOf } from './tables.js';

const CHUNK_ROWS = 1_000;
/** Long texts and BLOBs end a chunk before it has all its rows, so that memory stays flat. */
const CHUNK_LENGTH = 4 * 1024 * 1024;

export function readTable(
  db: Database.Database,
  label: string,
  table: TableName,
  signal: AbortSignal,
): TableStream {
  if (columnsOf(db, table.name).size === 0) {
    const known = tablesOf(db)
      .map((name) => formatTableName({ ...table, name }))
      .join(', ');
    throw new NotFound(
      `There is no table ${formatTableName(table)} in ${label}. Tables in ${table.schema}: ${known || 'none'}`,
    );
  }
  const statement = db
    .prepare(`SELECT * FROM ${quote(table.name)}`)
    .raw()
    .safeIntegers();
  return {
    columns: statement.columns().map(({ name, type }) => ({ name, type: type ?? '' })),
    chunks: chunksOf(statement.iterate.bind(statement) as () => Iterable<SqlValue[]>, signal),
  };
}

async function* chunksOf(
  rows: () => Iterable<SqlValue[]>,
  signal: AbortSignal,
): AsyncGenerator<SqlValue[][]> {
  let chunk: SqlValue[][] = [];
  let length = 0;
  for (const row of rows()) {
    chunk.push(row);
    for (const value of row) length += lengthOf(value);
    if (chunk.length < CHUNK_ROWS && length < CHUNK_LENGTH) continue;
    signal.throwIfAborted();
    yield chunk;
    chunk = [];
    length = 0;
  }
  if (chunk.length > 0) yield chunk;
}

function lengthOf(value: SqlValue): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}
