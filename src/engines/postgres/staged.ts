/** Which batches have staging rows, by the ledgers of all schemas: what removes them touches nothing else. */
import type { TableName } from '../../domain/table.js';
import { formatTableName, parseTableName } from '../../domain/table.js';
import { areOwn, isLedger } from '../shared/staged.js';
import type { BatchKey } from '../transferContract.js';
import type { Session } from './transfer/session.js';
import { columnsOf, findTable, quoted } from './transfer/tables.js';

export async function stagedBatches(session: Session, storeID: string): Promise<number[]> {
  const found = new Set<number>();
  for (const ledger of await ledgers(session)) {
    const rows = await session.rows(`SELECT DISTINCT logid FROM ${ledger} WHERE storeid = $1 AND staging`, [
      storeID,
    ]);
    for (const [logID] of rows) found.add(Number(logID));
  }
  return [...found];
}

export async function unstage(session: Session, batch: BatchKey): Promise<number> {
  let removed = 0;
  for (const ledger of await ledgers(session)) {
    await session.run('BEGIN ISOLATION LEVEL READ COMMITTED');
    removed += await unstageFrom(session, ledger, batch);
    await session.run('COMMIT');
  }
  return removed;
}

/** Those that this user may read, and not what others call so. */
async function ledgers(session: Session): Promise<string[]> {
  const rows = await session.rows(
    `SELECT N.nspname FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
     WHERE C.relname = 'batchload' AND C.relkind = 'r'
       AND has_schema_privilege(N.oid, 'USAGE') AND has_table_privilege(C.oid, 'SELECT')`,
  );
  const found: string[] = [];
  for (const [schema] of rows) {
    const table = await findTable(session, { schema: schema!, name: 'batchload' });
    if (table && isLedger(await columnsOf(session, table))) found.push(quoted(table.table));
  }
  return found;
}

async function unstageFrom(session: Session, ledger: string, { storeID, logID }: BatchKey): Promise<number> {
  const listed = await session.rows(
    `SELECT tablename, sum(rows), EXISTS (SELECT 1 FROM ${ledger} other
       WHERE other.tablename = own.tablename AND other.logid = $2 AND other.storeid <> $1)
     FROM ${ledger} own WHERE storeid = $1 AND logid = $2 AND staging GROUP BY tablename`,
    [storeID, logID],
  );
  let removed = 0;
  for (const [name, rows, shared] of listed) {
    const table = parseTableName(name!, ledger);
    if (await isStaging(session, table)) {
      const ofBatch = `FROM ${quoted(table)} WHERE batchid = $1`;
      const [[there]] = (await session.rows(`SELECT count(*) ${ofBatch}`, [logID])) as [[string]];
      if (!areOwn({ rows: Number(there), listed: Number(rows), isShared: shared === 't' })) continue;
      await session.rows(`DELETE ${ofBatch}`, [logID]);
      removed += Number(there);
    }
    await session.rows(`DELETE FROM ${ledger} WHERE tablename = $1 AND logid = $2 AND storeid = $3`, [
      ...[name, logID, storeID],
    ]);
  }
  return removed;
}

/** Else it was dropped, may be made anew as another one, or its name stands for another one now. */
async function isStaging(session: Session, table: TableName): Promise<boolean> {
  const found = await findTable(session, table);
  if (!found || formatTableName(found.table) !== formatTableName(table)) return false;
  return (await columnsOf(session, found)).some(({ name }) => name === 'batchid');
}
