import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.js';
import { isConflict, isSessionGone, isThereAlready } from './errors.js';
import { queryTag } from './queryTag.js';
import type { Row } from './session.js';

const RETRIES = 20;
const PAUSE_MS = 200;

/** Runs a statement by itself, one that makes no difference when it is run again. */
export async function runAgain(db: Database, text: string): Promise<Row[]> {
  for (let retries = 0; ; retries++) {
    try {
      const { rows } = await db.use((session) => session.run({ text }, { tag: queryTag() }));
      return rows;
    } catch (error) {
      if (isThereAlready(error)) return [];
      if (retries >= RETRIES || !(isConflict(error) || isSessionGone(error))) throw error;
      await delay(Math.random() * PAUSE_MS * (retries + 1));
    }
  }
}
