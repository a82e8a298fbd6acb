/** Which batches have staging rows in a file, by its ledger: what removes them touches nothing else. */
import { parseTableName } from '../../domain/table.js';
import type { BatchKey } from '../transferContract.js';
import { hasTable, openForReading, openForWriting, patiently, quote } from './connect.js';
import { BATCH_ID } from './tables.js';

export async function stagedIn(file: string, storeID: string): Promise<number[]> {
  const db = await openForReading(file);
  try {
    return await patiently(() => {
      if (!hasTable(db, 'BatchLoad')) return [];
      const logIDs = db.prepare<[string], number>(
        'SELECT DISTINCT LogID FROM BatchLoad WHERE StoreID = ? AND Staging',
      );
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
      const tables = db
        .prepare<[string, number], { table: string; listed: number }>(
          `SELECT TableName AS "table", sum(Rows) AS listed FROM BatchLoad
           WHERE StoreID = ? AND LogID = ? AND Staging GROUP BY TableName`,
        )
        .all(storeID, logID);
      let removed = 0;
      for (const { table, listed } of tables) {
        const { name } = parseTableName(table, 'BatchLoad');
        if (hasTable(db, name)) {
          const ofBatch = `FROM ${quote(name)} WHERE ${BATCH_ID} = ?`;
          const rows = db.prepare<[number], number>(`SELECT count(*) ${ofBatch}`).pluck().get(logID)!;
          if (rows > listed) continue;
          removed += db.prepare(`DELETE ${ofBatch}`).run(logID).changes;
        }
        db.prepare('DELETE FROM BatchLoad WHERE TableName = ? AND LogID = ? AND StoreID = ?').run(
          ...[table, logID, storeID],
        );
      }
      return removed;
    });
    return await patiently(() => remove.immediate());
  } finally {
    db.close();
  }
}
