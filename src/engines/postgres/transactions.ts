/** Runs work in a transaction, and again where that is safe and helps. */
import type pg from 'pg';
import type { Patience } from '../shared/retried.js';
import { retried } from '../shared/retried.js';
import type { Database } from './connect.js';
import { connectProblem, isConflict } from './errors.js';

export interface TransactionKind {
  readonly begin: string;
  readonly end: 'COMMIT' | 'ROLLBACK';
  /** Whether the connection is closed afterwards, and with it what a statement may have left in its session. */
  readonly discard: boolean;
}

/** What changes a batch has locked its row, so no more isolation is needed, whatever the role's default is. */
export const WRITE: TransactionKind = {
  begin: 'BEGIN ISOLATION LEVEL READ COMMITTED',
  end: 'COMMIT',
  discard: false,
};
/** All statements see one state of the tables. */
export const READ: TransactionKind = {
  begin: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  end: 'COMMIT',
  discard: false,
};
/** Somebody's own statement: it can change nothing, and what it set or locked is gone with the connection. */
export const QUERY: TransactionKind = { begin: 'BEGIN READ ONLY', end: 'ROLLBACK', discard: true };

const CONFLICT_RETRIES = 8;
const PATIENCE: Patience = {
  firstPauseMs: 10,
  longestPauseMs: 2_000,
  retriesAfter: (error) => (isConflict(error) ? CONFLICT_RETRIES : error instanceof ConnectionLost ? 1 : 0),
};

/** The connection broke before the transaction was committed, so nothing of it happened. */
class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

export function inTransaction<T>(
  db: Database,
  kind: TransactionKind,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  return retried(() => runOnce(db, kind, work), PATIENCE);
}

async function runOnce<T>(
  { pool, label }: Database,
  { begin, end, discard }: TransactionKind,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw new Error(connectProblem(error, label), { cause: error });
  });
  let isEnding = false;
  try {
    // The first statement goes out together with BEGIN, which fails only where the connection does.
    const begun = client.query(begin);
    const [result] = await Promise.all([work(client), begun]);
    isEnding = true;
    const { command } = await client.query(end);
    if (command !== end)
      throw new Error(`${label}: a statement had failed, so the transaction was rolled back`);
    client.release(discard);
    return result;
  } catch (error) {
    const isAlive = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
    client.release(discard || !isAlive);
    if (isAlive) throw error;
    const message = `${label}: the connection broke: ${(error as Error).message}`;
    throw isEnding ? new Error(message, { cause: error }) : new ConnectionLost(message, { cause: error });
  }
}
