/** Which batches have rows in which staging tables of a file: what removes them touches nothing else. */
import type Database from 'better-sqlite3';
import type { BatchKey } from '../warehouseContract.js';
import { hasTable, openForReading, openForWriting, patiently, quote } from './connect.js';
import { BATCH_ID } from './tables.js';

const TABLE = 'BatchStaged';

/** In the transaction that stages the rows. */
export function noteStaged(db: Database.Database, { storeID, logID }: BatchKey, table: string): void {
  db.exec(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (StoreID TEXT NOT NULL, LogID INTEGER NOT NULL, TableName TEXT NOT NULL,
       PRIMARY KEY (StoreID, LogID, TableName))`,
  );
  db.prepare(`INSERT INTO ${TABLE} VALUES (?, ?, ?) ON CONFLICT DO NOTHING`).run(
    storeID,
    BigInt(logID),
    table,
  );
}

export async function stagedIn(file: string, storeID: string): Promise<number[]> {
  const db = await openForReading(file);
  try {
    return await patiently(() => {
      if (!hasTable(db, TABLE)) return [];
      const logIDs = db.prepare<[string], number>(`SELECT DISTINCT LogID FROM ${TABLE} WHERE StoreID = ?`);
      return logIDs.pluck().all(storeID);
    });
  } finally {
    db.close();
  }
}

export async function unstageFrom(file: string, { storeID, logID }: BatchKey): Promise<number> {
  const db = await openForWriting(file);
  try {
    const remove = db.transaction((): number => {
      if (!hasTable(db, TABLE)) return 0;
      const tables = db
        .prepare(`DELETE FROM ${TABLE} WHERE StoreID = ? AND LogID = ? RETURNING TableName`)
        .pluck()
        .all(storeID, logID) as string[];
      // Another audit store's batch has the same number, and rows don't say which of the two they are of.
      const isShared = db.prepare(`SELECT 1 FROM ${TABLE} WHERE LogID = ? AND TableName = ?`);
      return tables
        .filter((table) => hasTable(db, table) && !isShared.get(logID, table))
        .map((table) => db.prepare(`DELETE FROM ${quote(table)} WHERE ${quote(BATCH_ID)} = ?`).run(logID))
        .reduce((sum, { changes }) => sum + changes, 0);
    });
    return await patiently(() => remove.immediate());
  } finally {
    db.close();
  }
}
