/** Which batches have staging rows, by the ledgers of all schemas: what removes them touches nothing else. */
import type { TableName } from '../../domain/table.js';
import { formatTableName, parseTableName } from '../../domain/table.js';
import { BATCH_ID, findColumn } from '../shared/incoming.js';
import { areOwn, isLedger } from '../shared/staged.js';
import type { BatchKey } from '../transferContract.js';
import type { Inputs } from './session.js';
import { quoted } from './transfer/names.js';
import type { TransferSession } from './transfer/session.js';
import { findTable } from './transfer/tables.js';

export async function stagedBatches(session: TransferSession, storeID: string): Promise<number[]> {
  const found = new Set<number>();
  for (const ledger of await ledgers(session)) {
    const rows = await session.rows(
      `SELECT DISTINCT LogID AS [logID] FROM ${ledger} WHERE StoreID = @storeID AND Staging = 1`,
      { storeID: [session.db.driver.NVarChar(36), storeID] },
    );
    for (const { logID } of rows) found.add(Number(logID));
  }
  return [...found];
}

export async function unstage(session: TransferSession, batch: BatchKey): Promise<number> {
  let removed = 0;
  for (const ledger of await ledgers(session)) removed += await unstageFrom(session, ledger, batch);
  await session.commit();
  return removed;
}

/** Those that this user may read, and not what others call so. */
async function ledgers(session: TransferSession): Promise<string[]> {
  const rows = await session.rows(
    `SELECT TABLE_SCHEMA AS [schema], TABLE_NAME AS [name] FROM INFORMATION_SCHEMA.TABLES
     WHERE LOWER(TABLE_NAME) = 'batchload' AND TABLE_TYPE = 'BASE TABLE'`,
  );
  const found: string[] = [];
  for (const { schema, name } of rows) {
    const table = await findTable(session, { schema: schema as string, name: name as string });
    if (!table || !isLedger(table.columns)) continue;
    const ledger = quoted(table.name);
    if (await mayRead(session, ledger)) found.push(ledger);
  }
  return found;
}

/** A table is seen with any right on it. */
async function mayRead(session: TransferSession, table: string): Promise<boolean> {
  const [row] = await session.rows(`SELECT HAS_PERMS_BY_NAME(@table, 'OBJECT', 'SELECT') AS [may]`, {
    table: [session.db.driver.NVarChar(300), table],
  });
  return row!['may'] === 1;
}

async function unstageFrom(
  session: TransferSession,
  ledger: string,
  { storeID, logID }: BatchKey,
): Promise<number> {
  const { BigInt, NVarChar } = session.db.driver;
  const own: Inputs = { storeID: [NVarChar(36), storeID], logID: [BigInt, logID] };
  const listed = await session.rows(
    `SELECT TableName AS [name], SUM([Rows]) AS [rows], CASE WHEN EXISTS (SELECT 1 FROM ${ledger} Other
       WHERE Other.TableName = Own.TableName AND Other.LogID = @logID AND Other.StoreID <> @storeID) THEN 1 ELSE 0 END AS [shared]
     FROM ${ledger} Own WHERE StoreID = @storeID AND LogID = @logID AND Staging = 1 GROUP BY TableName`,
    own,
  );
  let removed = 0;
  for (const row of listed) {
    const name = row['name'] as string;
    const table = parseTableName(name, ledger);
    if (await isStaging(session, table)) {
      const ofBatch = `FROM ${quoted(table)} WHERE BatchID = @logID`;
      const [count] = await session.rows(`SELECT COUNT_BIG(*) AS [there] ${ofBatch}`, own);
      const there = Number(count!['there']);
      if (!areOwn({ rows: there, listed: Number(row['rows']), isShared: row['shared'] === 1 })) continue;
      await session.run(`DELETE ${ofBatch}`, own);
      removed += there;
    }
    await session.run(
      `DELETE FROM ${ledger} WHERE TableName = @table AND LogID = @logID AND StoreID = @storeID`,
      {
        ...own,
        table: [NVarChar(300), name],
      },
    );
  }
  return removed;
}

/** Else it was dropped, may be made anew as another one, or its name stands for another one now. */
async function isStaging(session: TransferSession, table: TableName): Promise<boolean> {
  const found = await findTable(session, table);
  if (!found || formatTableName(found.name) !== formatTableName(table)) return false;
  return findColumn(found.columns, BATCH_ID) !== undefined;
}
