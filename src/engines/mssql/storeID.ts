import type { Database } from './connect.js';
import type { Statements } from './statements.js';
import { reading } from './transactions.js';

/** SQL Server writes a UNIQUEIDENTIFIER in capitals, and the other engines in small letters. */
export async function readStoreID(db: Database, sql: Statements): Promise<string> {
  const [[row] = []] = await reading(db, (session) => session.run(sql.storeID, {}));
  return String(row!['StoreID']).toLowerCase();
}
