/** PostgreSQL as the target of `elt`: a transform is a procedure. */
import { BATCH_ID, findColumn } from '../shared/incoming.js';
import { NO_ROWS, noBatchID } from '../shared/rowCounts.js';
import type { TableName } from '../../domain/table.js';
import type { RowCounts, Warehouse, WarehouseOptions } from '../warehouseContract.js';
import { callProcedure } from './procedure.js';
import { quote } from './schemaName.js';
import { stagedBatches, unstage } from './staged.js';
import { Session } from './transfer/session.js';
import { columnsOf, findTable, quoted } from './transfer/tables.js';
import { openTarget } from './transfer/target.js';

export async function openWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const target = await openTarget(options);
  const using = <T>(work: (session: Session) => Promise<T>): Promise<T> => Session.use(options, work);
  return {
    label: target.label,
    load: (load) => target.load(load),
    staged: (storeID) => using((session) => stagedBatches(session, storeID)),
    unstage: (batch) => using((session) => unstage(session, batch)),
    transform: (name, batchID) => using((session) => callProcedure(session, name, batchID)),
    count: (table, batchID) => using((session) => countRows(session, table, batchID)),
    close: () => target.close(),
  };
}

async function countRows(session: Session, wanted: TableName, batchID: number): Promise<RowCounts> {
  const found = await findTable(session, wanted);
  if (!found) return NO_ROWS;
  const column = findColumn(await columnsOf(session, found), BATCH_ID);
  if (!column) throw noBatchID(wanted);
  const [[total, ofBatch]] = (await session.rows(
    `SELECT count(*), count(*) FILTER (WHERE ${quote(column.name)} = $1) FROM ${quoted(found.table)}`,
    [batchID],
  )) as [[string, string]];
  return { total: Number(total), ofBatch: Number(ofBatch) };
}
