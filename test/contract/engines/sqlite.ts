import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { AuditStore } from '../../../src/engines/contract.js';
import type { EngineUnderTest, Place } from '../engines.js';

const NOBODY = 65_534;

export const sqlite: EngineUnderTest = {
  name: 'SQLite',
  scheme: 'sqlite',
  cannot: {
    users: 'SQLite has no users',
    withoutDelete: 'SQLite has no users',
    restart: 'SQLite has no server',
    endConnections: 'SQLite has no server',
    serverTimeZone: 'SQLite has no server',
    seeWaiting: 'SQLite lets one transaction write at a time',
    duplicateBatch: 'SQLite enforces the unique key',
    wrongPassword: 'SQLite has no passwords',
    unreachableHost: 'SQLite has no host',
    missingDatabase: 'a missing file is made',
    unknownParameter: 'a sqlite: URL has no parameters',
    ...(process.platform === 'win32' ? { readOnly: 'files have no such rights on Windows' } : {}),
  },
  bad: {},
  malformed: ['sqlite:', 'sqlite://host/folder', 'sqlite::memory:'],
  version: async () => {
    const db = new Database(':memory:');
    const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
    db.close();
    return version;
  },
  newPlace: async () => placeIn(mkdtempSync(join(tmpdir(), 'batchtrail-contract-')), 'Audit', true),
};

function placeIn(folder: string, schema: string, isFirst: boolean): Place {
  const file = join(folder, `${schema}.db`);
  const withFile = <T>(work: (db: Database.Database) => T): T => {
    const db = new Database(file);
    try {
      return work(db);
    } finally {
      db.close();
    }
  };
  return {
    url: `sqlite:${folder}`,
    schema,
    table: (name) => name,
    run: async (sql) =>
      withFile((db) => {
        const statement = db.prepare<[], Record<string, unknown>>(sql);
        if (!statement.reader) {
          statement.run();
          return [];
        }
        return statement.all().map(withLowerCaseNames);
      }),
    runScript: async (script) => withFile((db) => void db.exec(script)),
    shape: async () =>
      withFile((db) => db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all()),
    beside: async () => placeIn(folder, 'Audit_2', false),
    drop: async () => {
      if (isFirst) rmSync(folder, { recursive: true, force: true });
    },
    makeReadOnly: async () => {
      // Root may write whatever the file's rights say.
      const isRoot = process.geteuid!() === 0;
      chmodSync(file, 0o444);
      for (const more of ['-wal', '-shm']) ifThere(() => chmodSync(file + more, 0o444));
      chmodSync(folder, 0o555);
      if (isRoot) process.seteuid!(NOBODY);
      return {
        url: `sqlite:${folder}`,
        undo: async () => {
          if (isRoot) process.seteuid!(0);
          chmodSync(folder, 0o755);
          for (const more of ['', '-wal', '-shm']) ifThere(() => chmodSync(file + more, 0o644));
        },
      };
    },
    fill: async (store) => {
      // The limit is a property of the connection, and the disk of a test machine must not be filled.
      const { db } = store as AuditStore & { db: Database.Database };
      const pages = db.pragma('page_count', { simple: true }) as number;
      db.pragma(`max_page_count = ${pages}`);
      return { undo: async () => void db.pragma('max_page_count = 1000000000') };
    },
    holdLock: async () => {
      const db = new Database(file);
      db.exec('BEGIN IMMEDIATE');
      return {
        release: async () => {
          db.exec('COMMIT');
          db.close();
        },
      };
    },
  };
}

function ifThere(work: () => void): void {
  try {
    work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function withLowerCaseNames(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
}
