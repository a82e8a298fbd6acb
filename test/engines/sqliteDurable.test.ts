/** What a crash of the machine would show can't be played here; that a transaction waits for the disk can. */
import type { FileHandle } from 'node:fs/promises';
import { copyFile, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openAuditStore } from '../../src/engines/sqlite/auditStore.js';
import type { AuditStore } from '../../src/engines/contract.js';

/** A disk, as the store sees it, that keeps a write waiting or refuses it. */
const disk = vi.hoisted(() => ({ writing: async (): Promise<void> => undefined }));

vi.mock('node:fs/promises', async (importActual) => {
  const actual = await importActual<typeof import('node:fs/promises')>();
  const open = async (...args: Parameters<typeof actual.open>): Promise<FileHandle> => {
    const file = await actual.open(...args);
    const datasync = file.datasync.bind(file);
    return Object.assign(file, { datasync: () => disk.writing().then(datasync) });
  };
  return { ...actual, open };
});

let folder: string;
let store: AuditStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'durable-'));
  store = await openAuditStore({ url: `sqlite:${folder}` });
  await store.migrate();
});

afterEach(async () => {
  disk.writing = async () => undefined;
  await store.close();
  await rm(folder, { recursive: true });
});

const write = (): Promise<unknown> =>
  store.transaction((tx) => tx.takeTurn({ scope: 'test', holder: 'test', forMs: 1_000 }));

test('a transaction is over when its log is on the disk, and others go on meanwhile', async () => {
  let release!: () => void;
  const written = new Promise<void>((resolve) => (release = resolve));
  let asked!: () => void;
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  disk.writing = () => {
    asked();
    return written;
  };
  let isOver = false;
  const first = write().then(() => (isOver = true));
  await isAsked;
  disk.writing = async () => undefined;
  await write();
  expect(isOver).toBe(false);
  release();
  await first;
});

test('a transaction whose log does not reach the disk has failed', async () => {
  disk.writing = () => Promise.reject(new Error('EIO: i/o error, fdatasync'));
  await expect(write()).rejects.toThrow('EIO');
});

const failOnce = (): void => {
  disk.writing = () => {
    disk.writing = async () => undefined;
    return Promise.reject(new Error('EIO: i/o error, fdatasync'));
  };
};

/** What would be there when nothing of the log were left. */
async function scopesWithoutLog(): Promise<unknown[]> {
  const copy = join(folder, 'copy.db');
  await copyFile(join(folder, 'Audit.db'), copy);
  const db = new Database(copy);
  try {
    return db.prepare('SELECT Scope FROM Turn').pluck().all();
  } finally {
    db.close();
  }
}

test('a log that the disk did not take is left before anything else is written', async () => {
  failOnce();
  await expect(write()).rejects.toThrow('EIO');
  await write();
  expect(await scopesWithoutLog()).toEqual(['test']);
});

test('nothing is written behind a hole in the log while somebody reads it, and all is well when nobody does', async () => {
  await write();
  const reader = new Database(join(folder, 'Audit.db'), { readonly: true });
  reader.exec('BEGIN; SELECT * FROM Turn');
  failOnce();
  await expect(write()).rejects.toThrow('EIO');
  await expect(write()).rejects.toThrow(/did not take what was written to .*Audit\.db-wal.*end that program/);
  reader.close();
  await write();
});

// Windows lets only administrators make links.
test.skipIf(process.platform === 'win32')('the file may be a link to one in another folder', async () => {
  await store.close();
  const elsewhere = await mkdtemp(join(tmpdir(), 'durable-'));
  await rename(join(folder, 'Audit.db'), join(elsewhere, 'real.db'));
  await symlink(join(elsewhere, 'real.db'), join(folder, 'Audit.db'));
  store = await openAuditStore({ url: `sqlite:${folder}` });
  expect(await write()).toBeDefined();
  await store.close();
  await rm(elsewhere, { recursive: true });
});
