import type Database from 'better-sqlite3';
import { BadInput } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import { quote } from './connect.js';
import { BATCH_ID, columnsOf, foldCase } from './tables.js';

export interface RowCounts {
  readonly total: number;
  readonly ofBatch: number;
}

export const NO_ROWS: RowCounts = { total: 0, ofBatch: 0 };

export function countRows(db: Database.Database, table: TableName, batchID: number): RowCounts {
  const columns = columnsOf(db, table.name);
  if (columns.size === 0) return NO_ROWS;
  if (!columns.has(foldCase(BATCH_ID))) {
    throw new BadInput(
      `${formatTableName(table)} has no column ${BATCH_ID}, so its rows can't be counted by batch. ` +
        'Add the column and let the transform fill it with @CurrentBatchID',
    );
  }
  const name = quote(table.name);
  return db
    .prepare(
      `SELECT (SELECT count(*) FROM ${name}) AS total,
              (SELECT count(*) FROM ${name} WHERE ${quote(BATCH_ID)} = ?) AS ofBatch`,
    )
    .get(BigInt(batchID)) as RowCounts;
}
