import type { Database } from './connect.js';
import { readRows } from './rows.js';
import type { Statements } from './statements.js';
import { reading } from './transactions.js';

/** SQL Server writes a UNIQUEIDENTIFIER in capitals, and the other engines in small letters. */
export async function readStoreID(db: Database, sql: Statements): Promise<string> {
  const [[row] = []] = await reading(db, (session) => session.run(sql.storeID, {}));
  return String(row!['StoreID']).toLowerCase();
}

export async function readCreatedAt(db: Database, sql: Statements): Promise<string> {
  const [found] = await reading(db, (session) => session.run(sql.createdAt, {}));
  return readRows<{ CreatedAt: string }>(['CreatedAt'], found)[0]!.CreatedAt;
}
