/**
 * The file in which the server of `demo` and `dev` keeps what Temporal knows. It lies beside the audit, so that the one
 * can be held against the other for as long as both are there.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BadConfig, BadInput } from '../domain/errors.js';
import { hasTable, isBusy, openForReading, patiently } from '../engines/sqlite/connect.js';
import { lockForWriting } from './fileLock.js';

/** Not `.db`: those are the schemas that `batchtrail sql` shows. */
const FILE_NAME = 'temporal.sqlite';
const LOCK_NAME = 'temporal.lock';
/** SQLite's own files beside one. */
const PARTS = ['', '-journal', '-wal', '-shm'];

export interface ServerFile {
  readonly file: string;
  /** Lets the next process have it. */
  readonly release: () => void;
}

/** Takes the folder's file for a server of this process, or says who has it. */
export async function takeServerFile(folder: string): Promise<ServerFile> {
  const file = join(folder, FILE_NAME);
  const release = await lock(folder);
  try {
    await removeUnfinished(file);
  } catch (error) {
    release();
    throw error;
  }
  return { file, release };
}

async function lock(folder: string): Promise<() => void> {
  try {
    return await lockForWriting(join(folder, LOCK_NAME), 0);
  } catch (error) {
    if (!isBusy(error)) throw error;
    throw new BadInput(
      `Another batchtrail dev or demo is at work in ${folder}, with the Temporal server that keeps its data there. Use that one, or stop it; or start this one in another folder`,
      { cause: error },
    );
  }
}

/** A server makes its tables, and then its namespace. Killed before that, it would never start with this file again. */
async function removeUnfinished(file: string): Promise<void> {
  if (!statSync(file, { throwIfNoEntry: false }) || (await hasNamespace(file))) return;
  for (const part of PARTS) rmSync(`${file}${part}`, { force: true, maxRetries: 5 });
}

async function hasNamespace(file: string): Promise<boolean> {
  const db = await openForReading(file);
  try {
    return await patiently(
      () => hasTable(db, 'namespaces') && db.prepare('SELECT 1 FROM namespaces').get() !== undefined,
    );
  } catch (error) {
    throw new BadConfig(
      `${file}, where the Temporal server of dev and demo keeps its data, can't be read: ${(error as Error).message}. With that file moved away, it begins anew`,
      { cause: error },
    );
  } finally {
    db.close();
  }
}
