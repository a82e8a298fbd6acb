/** A lock on a SQLite file that nobody has to clean up: the system lets go of it when the process ends. */
import { openForWriting, patiently } from '../engines/sqlite/connect.js';

const PATIENCE_MS = 10 * 60_000;

/** Waits for its turn, then begins a transaction that lets nobody else write to the file; the answer ends it. */
export async function lockForWriting(file: string, patienceMs = PATIENCE_MS): Promise<() => void> {
  const db = await openForWriting(file);
  try {
    await patiently(() => db.exec('BEGIN IMMEDIATE'), patienceMs);
  } catch (error) {
    db.close();
    throw error;
  }
  // Closing rolls back.
  return () => void db.close();
}
