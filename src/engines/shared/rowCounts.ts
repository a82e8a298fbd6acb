/** What warehouses say of a table's rows. */
import { BadInput } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { RowCounts } from '../warehouseContract.js';
import { BATCH_ID } from './incoming.js';

/** Of a table that is not there yet. */
export const NO_ROWS: RowCounts = { total: 0, ofBatch: 0 };

export function noBatchID(table: TableName): BadInput {
  return new BadInput(
    `${formatTableName(table)} has no column ${BATCH_ID}, so its rows can't be counted by batch. ` +
      'Add the column and let the transform fill it with the BatchID that it gets',
  );
}
