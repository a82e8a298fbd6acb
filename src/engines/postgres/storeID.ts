import type { Database } from './connect.js';
import { isoTime } from './rows.js';
import { run } from './run.js';
import type { Statements } from './statements.js';
import { inTransaction, READ } from './transactions.js';

export async function readStoreID(db: Database, sql: Statements): Promise<string> {
  const [row] = await inTransaction(db, READ, (client) => run(client, sql.storeID, []));
  return row![0]!;
}

export async function readCreatedAt(db: Database, sql: Statements): Promise<string> {
  const [row] = await inTransaction(db, READ, (client) => run(client, sql.createdAt, []));
  return isoTime(row![0]!);
}
