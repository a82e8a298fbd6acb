/** Runs work in a transaction, and again where that is safe and helps. */
import { pause } from '../shared/retried.js';
import type { Database } from './database.js';
import { DuplicateBatches, repair } from './duplicates.js';
import { explained, isConflict, isSessionGone } from './errors.js';
import { Frame } from './frame.js';
import type { Pace } from './pace.js';
import type { Session } from './session.js';

const CONFLICT_RETRIES = 10;
const PAUSES = { firstPauseMs: 50, longestPauseMs: 3_000 };

export async function inTransaction<T>(
  db: Database,
  pace: Pace,
  work: (frame: Frame) => Promise<T>,
): Promise<T> {
  let lostSessions = 0;
  let isPatient = false;
  for (let retries = 0; ; retries++) {
    try {
      return await runOnce(db, work, (session) => new Frame(session, pace, isPatient));
    } catch (error) {
      if (error instanceof DuplicateBatches && retries < CONFLICT_RETRIES) {
        await inTransaction(db, pace, (frame) => repair(frame, db.schema, error.groups));
        continue;
      }
      // A session that is gone did not run the statement, and ended its transaction. Others may be gone with it.
      if (isSessionGone(error) && lostSessions++ <= db.options.sessions) continue;
      if (!isConflict(error) || retries >= CONFLICT_RETRIES) throw explained(error, db.label);
      isPatient = true;
      await pause(retries, PAUSES);
    }
  }
}

function runOnce<T>(
  db: Database,
  work: (frame: Frame) => Promise<T>,
  frameOf: (session: Session) => Frame,
): Promise<T> {
  return db.use(async (session) => {
    const frame = frameOf(session);
    try {
      const result = await work(frame);
      await frame.commit();
      return result;
    } catch (error) {
      await frame.rollback().catch(() => session.giveUp());
      throw error;
    }
  });
}
