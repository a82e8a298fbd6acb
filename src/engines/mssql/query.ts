/** A person's own SELECT, in a transaction that is always taken back. */
import { BadInput } from '../../domain/errors.js';
import type { Database } from './connect.js';
import { selectOnly } from './selectOnly.js';
import type { Answer } from './sqlValues.js';
import { readAnswer } from './sqlValues.js';
import { ConnectionLost, inTransaction } from './transactions.js';

export async function query(db: Database, sql: string): Promise<Answer> {
  const text = selectOnly(sql);
  try {
    return await inTransaction(db, 'rollback', async (session) =>
      readAnswer(session.driver, await session.runAny(text)),
    );
  } catch (error) {
    if (error instanceof ConnectionLost) throw error;
    throw new BadInput(`The database refused the statement: ${(error as Error).message}`, { cause: error });
  }
}
