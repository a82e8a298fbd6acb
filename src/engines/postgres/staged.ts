/** Which batches have staging rows, by the ledgers of all schemas: what removes them touches nothing else. */
import { formatTableName, parseTableName } from '../../domain/table.js';
import type { BatchKey } from '../transferContract.js';
import { quote } from './schemaName.js';
import type { Session } from './transfer/session.js';
import { findTable, quoted } from './transfer/tables.js';

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

/** Those that this user may read. */
async function ledgers(session: Session): Promise<string[]> {
  const rows = await session.rows(
    `SELECT N.nspname FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
     WHERE C.relname = 'batchload' AND C.relkind = 'r'
       AND has_schema_privilege(N.oid, 'USAGE') AND has_table_privilege(C.oid, 'SELECT')`,
  );
  return rows.map(([schema]) => `${quote(schema!)}.batchload`);
}

async function unstageFrom(session: Session, ledger: string, { storeID, logID }: BatchKey): Promise<number> {
  const listed = await session.rows(
    `SELECT tablename, sum(rows) FROM ${ledger} WHERE storeid = $1 AND logid = $2 AND staging GROUP BY tablename`,
    [storeID, logID],
  );
  let removed = 0;
  for (const [name, rows] of listed) {
    const table = parseTableName(name!, ledger);
    const found = await findTable(session, table);
    // Dropped, or the name of another one now.
    if (found && formatTableName(found.table) === name) {
      const ofBatch = `FROM ${quoted(table)} WHERE batchid = $1`;
      const [[there]] = (await session.rows(`SELECT count(*) ${ofBatch}`, [logID])) as [[string]];
      if (Number(there) > Number(rows)) continue;
      await session.rows(`DELETE ${ofBatch}`, [logID]);
      removed += Number(there);
    }
    await session.rows(`DELETE FROM ${ledger} WHERE tablename = $1 AND logid = $2 AND storeid = $3`, [
      ...[name, logID, storeID],
    ]);
  }
  return removed;
}
