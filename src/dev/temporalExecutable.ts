/**
 * Where the Temporal CLI with its development server comes from: BATCHTRAIL_TEMPORAL_CLI, PATH, our cache folder, the
 * official download, a build with Go. A file counts only after it answered `--version`.
 */
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { BadConfig, NotFound } from '../domain/errors.js';
import { answersVersion } from './answersVersion.js';
import { cacheFolder, lockCache } from './cacheFolder.js';
import { goInstall } from './goInstall.js';
import { officialDownload } from './officialDownload.js';
import type { Report } from './report.js';

const FILE_NAME = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
const WORKPLACE = 'installing-';

/** The path of a Temporal CLI that works. Installs one into the cache folder when there is none. */
export async function findTemporal(report: Report): Promise<string> {
  const say: Report = (line) => report(`Temporal CLI: ${line}`);
  const named = process.env.BATCHTRAIL_TEMPORAL_CLI;
  if (named) return fromVariable(named, say);

  const tried = ['BATCHTRAIL_TEMPORAL_CLI is not set'];
  /** Takes one step; when it fails, says why and remembers it. */
  const attempt = async <T>(step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      const { message } = error as Error;
      say(message);
      tried.push(message);
      return undefined;
    }
  };

  const cache = cacheFolder();
  const present = (await attempt(() => fromPath(say))) ?? (await attempt(() => fromCache(cache, say)));
  if (present) return present;

  const unlock = await attempt(() => lockCache(cache, say));
  if (unlock) {
    try {
      const installed =
        // Another process may have finished while we waited for the lock.
        (await fromCache(cache, say).catch(() => undefined)) ??
        (await attempt(() => install(cache, say, officialDownload))) ??
        (await attempt(() => install(cache, say, goInstall)));
      if (installed) return installed;
    } finally {
      unlock();
    }
  }
  throw new NotFound(
    [
      'There is no Temporal CLI, and none could be installed. Tried:',
      ...tried.map((line) => `  - ${line.replaceAll('\n', '\n    ')}`),
      'Shortest remedy: install it (https://docs.temporal.io/cli), so that `temporal --version` works here,' +
        ' or set BATCHTRAIL_TEMPORAL_CLI to its path.',
    ].join('\n'),
  );
}

/** A path that somebody named on purpose: when it does not work, another CLI would only hide the mistake. */
async function fromVariable(named: string, say: Report): Promise<string> {
  const file = resolve(named);
  try {
    return await accept(file, say);
  } catch (error) {
    throw new BadConfig(
      `BATCHTRAIL_TEMPORAL_CLI: ${(error as Error).message}. Set it to a Temporal CLI that works, or unset it`,
      { cause: error },
    );
  }
}

async function fromPath(say: Report): Promise<string> {
  const files = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(folder, FILE_NAME))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  const faults: string[] = [];
  for (const file of files) {
    try {
      return await accept(file, say);
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  throw new Error(faults.length === 0 ? 'not on PATH' : `on PATH, but ${faults.join('; ')}`);
}

async function fromCache(cache: string, say: Report): Promise<string> {
  const file = join(cache, FILE_NAME);
  if (!statSync(file, { throwIfNoEntry: false })) throw new Error(`not in the cache folder ${cache}`);
  try {
    return await accept(file, say);
  } catch (error) {
    throw new Error(`${(error as Error).message}; it will be replaced`, { cause: error });
  }
}

async function accept(file: string, say: Report): Promise<string> {
  say(`${file} (${await answersVersion(file)})`);
  return file;
}

/** Makes the file in a fresh folder and moves it to its place when it works: nobody ever sees half of one. */
async function install(
  cache: string,
  say: Report,
  make: (folder: string, say: Report) => Promise<string>,
): Promise<string> {
  removeLeftovers(cache);
  const folder = mkdtempSync(join(cache, WORKPLACE));
  try {
    const made = await make(folder, say);
    await answersVersion(made);
    renameSync(made, join(cache, FILE_NAME));
  } finally {
    removeFolder(folder);
  }
  return accept(join(cache, FILE_NAME), say);
}

/** Of installs whose process was killed. Who calls this holds the lock, so nobody works in them any more. */
function removeLeftovers(cache: string): void {
  for (const name of readdirSync(cache)) if (name.startsWith(WORKPLACE)) removeFolder(join(cache, name));
}

function removeFolder(folder: string): void {
  // Retried, because Windows keeps a file that has just run busy for a moment.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
