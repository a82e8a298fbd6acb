/** Runs work in a transaction, and again where that is safe and helps. */
import type { Patience } from '../shared/retried.js';
import { retried } from '../shared/retried.js';
import type { Database } from './connect.js';
import { isConflict, isLost, lossProblem } from './errors.js';
import type { Session } from './session.js';
import { poolSession, transactionSession } from './session.js';

const CONFLICT_RETRIES = 10;
const PATIENCE: Patience = {
  firstPauseMs: 20,
  // A deadlock has cost a second or more when it is found.
  longestPauseMs: 2_000,
  retriesAfter: (error) =>
    error instanceof Conflict || isConflict(error)
      ? CONFLICT_RETRIES
      : error instanceof ConnectionLost
        ? 1
        : 0,
};

/** Another transaction was faster; what it did is seen when the work is done again. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** The connection broke or was not made, and nothing of the work was done. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

export function inTransaction<T>(
  db: Database,
  end: 'commit' | 'rollback',
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return db.use(() => retried(() => runOnce(db, end, work), PATIENCE));
}

/** Without a transaction, for what only reads: it can be the victim of a deadlock, too. */
export function reading<T>(db: Database, work: (session: Session) => Promise<T>): Promise<T> {
  const readOnce = async (): Promise<T> => {
    try {
      return await work(poolSession(db));
    } catch (error) {
      throw isLost(error) ? lost(error, db.label) : error;
    }
  };
  return db.use(() => retried(readOnce, PATIENCE));
}

async function runOnce<T>(
  db: Database,
  end: 'commit' | 'rollback',
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const transaction = db.pool.transaction();
  try {
    await transaction.begin(db.driver.ISOLATION_LEVEL.READ_COMMITTED);
  } catch (error) {
    throw lost(error, db.label);
  }
  const session = transactionSession(db, transaction);
  let isEnding = false;
  try {
    const result = await work(session);
    await session.end();
    isEnding = true;
    await transaction[end]();
    return result;
  } catch (error) {
    await session.end();
    // Fails when the server has done it already, or the connection is gone. It gives the connection back to the pool.
    if (!isEnding) await transaction.rollback().catch(() => undefined);
    if (!isLost(error)) throw error;
    // Whether a commit that got no answer was done is not known.
    throw isEnding ? new Error(lossProblem(error, db.label), { cause: error }) : lost(error, db.label);
  }
}

function lost(error: unknown, label: string): ConnectionLost {
  return new ConnectionLost(lossProblem(error, label), { cause: error });
}
