/** Applies the numbered SQL files of `migrations/`, each once, in order. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type Database from 'better-sqlite3';
import { BadConfig } from '../../domain/errors.js';
import { patiently } from './connect.js';

const FOLDER = new URL('./migrations/', import.meta.url);

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

function migrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .sort()
    .map((file) => ({
      version: Number(file.slice(0, 4)),
      name: file,
      sql: readFileSync(fileURLToPath(new URL(file, FOLDER)), 'utf8'),
    }));
}

/** Answers the versions that this call applied; the write lock lets one process at a time look and apply. */
export async function migrate(db: Database.Database): Promise<number[]> {
  const known = migrations();
  const newest = known.at(-1)?.version ?? 0;
  const apply = db.transaction((): number[] => {
    db.exec(
      'CREATE TABLE IF NOT EXISTS SchemaVersion (Version INTEGER PRIMARY KEY, Name TEXT NOT NULL, AppliedAt TEXT NOT NULL)',
    );
    const current = Number(db.prepare('SELECT COALESCE(MAX(Version), 0) FROM SchemaVersion').pluck().get());
    if (current > newest) {
      throw new BadConfig(
        `The audit schema in ${db.name} has version ${current}, this batchtrail knows up to ${newest}. Upgrade the batchtrail package`,
      );
    }
    const missing = known.filter(({ version }) => version > current);
    for (const { version, name, sql } of missing) {
      db.prepare('INSERT INTO SchemaVersion VALUES (?, ?, ?)').run(version, name, new Date().toISOString());
      db.exec(sql);
    }
    return missing.map(({ version }) => version);
  });
  return patiently(() => apply.immediate());
}
