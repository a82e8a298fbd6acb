/** Which batches have staging rows in a file, by its ledger: what removes them touches nothing else. */
import { parseTableName } from '../../domain/table.js';
import { BATCH_ID, findColumn } from '../shared/incoming.js';
import { areOwn, isLedger } from '../shared/staged.js';
import type { BatchKey } from '../transferContract.js';
import { openForWriting, openIfDatabase, patiently, quote } from './connect.js';
import { columnsOf } from './transfer/tables.js';

export async function stagedIn(file: string, storeID: string): Promise<number[]> {
  const db = await openIfDatabase(file);
  if (!db) return [];
  try {
    return await patiently(() => {
      if (!isLedger(columnsOf(db, 'BatchLoad') ?? [])) return [];
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
        .prepare<[BatchKey], { table: string; listed: number; isShared: number }>(
          `SELECT TableName AS "table", sum(Rows) AS listed, EXISTS (SELECT 1 FROM BatchLoad Other
             WHERE Other.TableName = Own.TableName AND Other.LogID = @logID AND Other.StoreID <> @storeID) AS isShared
           FROM BatchLoad Own WHERE StoreID = @storeID AND LogID = @logID AND Staging GROUP BY TableName`,
        )
        .all({ storeID, logID });
      let removed = 0;
      for (const { table, listed, isShared } of tables) {
        const { name } = parseTableName(table, 'BatchLoad');
        // Else it was dropped, and may be made anew as another one.
        if (findColumn(columnsOf(db, name) ?? [], BATCH_ID)) {
          const ofBatch = `FROM ${quote(name)} WHERE ${BATCH_ID} = ?`;
          const rows = db.prepare<[number], number>(`SELECT count(*) ${ofBatch}`).pluck().get(logID)!;
          if (!areOwn({ rows, listed, isShared: isShared === 1 })) continue;
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
