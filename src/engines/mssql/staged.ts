/** Which batches have staging rows, by the ledgers of all schemas: what removes them touches nothing else. */
import { formatTableName, parseTableName } from '../../domain/table.js';
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

/** Those that this user may see. */
async function ledgers(session: TransferSession): Promise<string[]> {
  const rows = await session.rows(
    `SELECT TABLE_SCHEMA AS [schema], TABLE_NAME AS [name] FROM INFORMATION_SCHEMA.TABLES
     WHERE LOWER(TABLE_NAME) = 'batchload' AND TABLE_TYPE = 'BASE TABLE'`,
  );
  return rows.map(({ schema, name }) => quoted({ schema: schema as string, name: name as string }));
}

async function unstageFrom(
  session: TransferSession,
  ledger: string,
  { storeID, logID }: BatchKey,
): Promise<number> {
  const { BigInt, NVarChar } = session.db.driver;
  const own: Inputs = { storeID: [NVarChar(36), storeID], logID: [BigInt, logID] };
  const listed = await session.rows(
    `SELECT TableName AS [name], SUM([Rows]) AS [rows] FROM ${ledger}
     WHERE StoreID = @storeID AND LogID = @logID AND Staging = 1 GROUP BY TableName`,
    own,
  );
  let removed = 0;
  for (const row of listed) {
    const name = row['name'] as string;
    const table = parseTableName(name, ledger);
    const found = await findTable(session, table);
    // Dropped, or the name of another one now.
    if (found && formatTableName(found.name) === name) {
      const ofBatch = `FROM ${quoted(table)} WHERE BatchID = @logID`;
      const [count] = await session.rows(`SELECT COUNT_BIG(*) AS [there] ${ofBatch}`, own);
      const there = Number(count!['there']);
      if (there > Number(row['rows'])) continue;
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
