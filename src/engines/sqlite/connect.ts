/**
 * SQLite files as a user's default database. A URL names a folder, a schema is a file in it: `sqlite:./.batchtrail`
 * holds `Audit.db`, `Staging.db`, `DWH.db`.
 *
 * Journal mode is WAL, because readers (people, the CLI) must never stop the worker from writing, and a worker must
 * never stop them. `synchronous=FULL`, because what is committed has to survive a power cut; the audit store waits for the
 * disk in a way of its own. SQLite's own busy handler would block the worker's event loop, so it is off and waiting for a
 * lock happens in JavaScript.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { BadConfig, BadInput, NotFound } from '../../domain/errors.js';

const SCHEMA_NAME = /^[\p{L}\p{N}_$#@ -]+$/u;
export const DEFAULT_PATIENCE_MS = 30_000;

/** The folder that a `sqlite:` URL names. */
export function folderOf(url: string): string {
  const path = url.replace(/^sqlite:(\/\/(?=\/))?/, '');
  if (path.startsWith('//')) {
    throw new BadConfig(
      `${JSON.stringify(url)} has a host, and SQLite has none. Write sqlite: and a folder, as in sqlite:./.batchtrail`,
    );
  }
  if (path === '' || path.startsWith(':memory:')) {
    throw new BadConfig(
      `${JSON.stringify(url)} names no folder. Write sqlite: and a folder, as in sqlite:./.batchtrail`,
    );
  }
  return resolve(path);
}

/** The schemas that have a file in the folder, with their files. */
export function schemaFiles(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const file of folderEntries(folder)) {
    if (file.endsWith('.db')) files.set(file.slice(0, -'.db'.length), join(folder, file));
  }
  return files;
}

function folderEntries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new BadConfig(`The folder ${folder} can't be read (${code}). Give this user the right to read it`, {
      cause: error,
    });
  }
}

/** The file of a schema. SQL names ignore case, so an existing file is found whatever its case. */
export function schemaFile(folder: string, schema: string): string {
  if (!SCHEMA_NAME.test(schema)) {
    throw new BadInput(
      `The schema name ${JSON.stringify(schema)} can't be a file name. Use letters, digits and _`,
    );
  }
  const wanted = schema.toLowerCase();
  for (const [name, file] of schemaFiles(folder)) if (name.toLowerCase() === wanted) return file;
  return join(folder, `${schema}.db`);
}

/** Opens one file for writing, and makes it and its folder when they are missing. */
export async function openForWriting(
  file: string,
  patienceMs = DEFAULT_PATIENCE_MS,
  signal?: AbortSignal,
): Promise<Database.Database> {
  makeFolder(resolve(file, '..'));
  const db = await open(file, {});
  try {
    await patiently(() => db.pragma('journal_mode = WAL'), patienceMs, signal);
    db.pragma('synchronous = FULL');
  } catch (error) {
    db.close();
    throw noDatabase(file, error);
  }
  return db;
}

/** Opens one existing file; the connection itself refuses to write. */
export async function openForReading(file: string): Promise<Database.Database> {
  if (!isThere(file)) {
    throw new NotFound(`There is no file ${file}. It is made by the first worker that uses it`);
  }
  const db = await open(file, { readonly: true });
  try {
    // SQLite looks into a file only when it is asked something.
    await patiently(() => db.pragma('schema_version'));
  } catch (error) {
    db.close();
    throw noDatabase(file, error);
  }
  return db;
}

/** The same, where the file may be somebody else's, whatever its name: then there is nothing to read. */
export async function openIfDatabase(file: string): Promise<Database.Database | undefined> {
  try {
    return await openForReading(file);
  } catch (error) {
    if (error instanceof NoDatabase) return undefined;
    throw error;
  }
}

function isThere(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadConfig(
      `The file ${file} can't be read (${code}). Give this user the right to read its folder, or name another folder in the sqlite: URL`,
      { cause: error },
    );
  }
}

/** The file is something else. */
class NoDatabase extends BadConfig {}

function noDatabase(file: string, error: unknown): unknown {
  if ((error as { code?: unknown }).code !== 'SQLITE_NOTADB') return error;
  return new NoDatabase(
    `${file} is no SQLite database. Move it away, or name another folder in the sqlite: URL`,
    { cause: error },
  );
}

export function hasTable(db: Database.Database, name: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(name) !== undefined;
}

export async function open(file: string, options: Database.Options): Promise<Database.Database> {
  const { default: Driver } = await import('better-sqlite3');
  try {
    return new Driver(file, { ...options, timeout: 0 });
  } catch (error) {
    throw new BadConfig(`The SQLite file ${file} can't be opened: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadConfig(
      `The folder ${folder} can't be made (${code}). Give this user the right to write there, or name another folder in the sqlite: URL`,
      { cause: error },
    );
  }
}

/** Runs `work`, and again after a short wait for as long as another connection holds the lock it needs, and somebody waits. */
export async function patiently<T>(
  work: () => T | Promise<T>,
  patienceMs = DEFAULT_PATIENCE_MS,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    try {
      return await work();
    } catch (error) {
      if (!isBusy(error) || Date.now() >= deadline || signal?.aborted) throw error;
      // Some jitter, so that two processes which wait for each other's lock don't move in step.
      await delay(wait + Math.random() * wait);
    }
  }
}

export function isBusy(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'));
}

/** Quotes an identifier; names can't be bound as parameters. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
