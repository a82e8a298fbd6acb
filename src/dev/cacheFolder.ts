/** The folder where we keep what is fetched or built once per user, and the lock for changing it. */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { isBusy, open, patiently } from '../engines/sqlite/connect.js';
import { reportWhile, type Report } from './report.js';

// Longer than any install takes: a lock ends with its process, so whoever holds it is still working.
const PATIENCE_MS = 60 * 60_000;

export function cacheFolder(env = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env.BATCHTRAIL_CACHE) return resolve(env.BATCHTRAIL_CACHE);
  return join(userCacheFolder(env, platform), 'batchtrail');
}

function userCacheFolder(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (platform === 'win32') return env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  // The XDG specification wants a relative path ignored.
  return env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME)
    ? env.XDG_CACHE_HOME
    : join(homedir(), '.cache');
}

/**
 * Makes the folder when it is missing and waits until no other process installs into it. Returns the function that
 * lets the next one in.
 *
 * The lock is a transaction on an empty SQLite file: the system drops it when its process dies, so it can't go stale.
 */
export async function lockCache(folder: string, report: Report): Promise<() => void> {
  makeFolder(folder);
  const db = await open(join(folder, 'install.lock'), {});
  const lock = () => db.exec('BEGIN EXCLUSIVE');
  try {
    try {
      lock();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const line = `another process is installing into ${folder}, waiting for it…`;
      report(line);
      await reportWhile(patiently(lock, PATIENCE_MS), report, (elapsed) => `${line} ${elapsed}`);
    }
  } catch (error) {
    db.close();
    throw error;
  }
  return () => db.close();
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `the cache folder ${folder} can't be made (${code}), name one that can be written in BATCHTRAIL_CACHE`,
      { cause: error },
    );
  }
}
