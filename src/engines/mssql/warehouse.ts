/** SQL Server as the target of `elt`: a transform is a stored procedure. */
import type { TableName } from '../../domain/table.js';
import { BATCH_ID, findColumn } from '../shared/incoming.js';
import { NO_ROWS, noBatchID } from '../shared/rowCounts.js';
import type { RowCounts, Warehouse, WarehouseOptions } from '../warehouseContract.js';
import { executeProcedure } from './procedure.js';
import { stagedBatches, unstage } from './staged.js';
import { quote, quoted } from './transfer/names.js';
import { TransferSession } from './transfer/session.js';
import { findTable } from './transfer/tables.js';
import { openTarget } from './transfer/target.js';

export async function openWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const target = await openTarget(options);
  const using = <T>(work: (session: TransferSession) => Promise<T>): Promise<T> =>
    TransferSession.use(options, work);
  return {
    label: target.label,
    load: (load) => target.load(load),
    staged: (storeID) => using((session) => stagedBatches(session, storeID)),
    unstage: (batch) => using((session) => unstage(session, batch)),
    transform: (name, batchID) => using((session) => executeProcedure(session, name, batchID)),
    count: (table, batchID) => using((session) => countRows(session, table, batchID)),
    close: () => target.close(),
  };
}

async function countRows(session: TransferSession, wanted: TableName, batchID: number): Promise<RowCounts> {
  const found = await findTable(session, wanted);
  if (!found) return NO_ROWS;
  const column = findColumn(found.columns, BATCH_ID);
  if (!column) throw noBatchID(wanted);
  const [row] = await session.rows(
    `SELECT COUNT_BIG(*) AS [total], COUNT_BIG(CASE WHEN ${quote(column.name)} = @batchID THEN 1 END) AS [ofBatch] FROM ${quoted(found.name)}`,
    { batchID: [session.db.driver.BigInt, batchID] },
  );
  // The driver gives a BIGINT as a text.
  return { total: Number(row!['total']), ofBatch: Number(row!['ofBatch']) };
}
