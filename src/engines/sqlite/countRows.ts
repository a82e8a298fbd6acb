import type Database from 'better-sqlite3';
import type { TableName } from '../../domain/table.js';
import { BATCH_ID } from '../shared/incoming.js';
import { NO_ROWS, noBatchID } from '../shared/rowCounts.js';
import type { RowCounts } from '../warehouseContract.js';
import { quote } from './connect.js';
import { columnNames, foldCase } from './tables.js';

export function countRows(db: Database.Database, table: TableName, batchID: number): RowCounts {
  const columns = columnNames(db, table.name);
  if (columns.size === 0) return NO_ROWS;
  if (!columns.has(foldCase(BATCH_ID))) throw noBatchID(table);
  const name = quote(table.name);
  return db
    .prepare(
      `SELECT (SELECT count(*) FROM ${name}) AS total,
              (SELECT count(*) FROM ${name} WHERE ${quote(BATCH_ID)} = ?) AS ofBatch`,
    )
    .get(BigInt(batchID)) as RowCounts;
}
