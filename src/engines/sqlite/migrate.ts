/** Applies the numbered SQL files of `migrations/`, each once, in order. */
import type Database from 'better-sqlite3';
import type { AppliedMigration, Migration } from '../shared/migrations.js';
import { missingMigrations, readMigrations } from '../shared/migrations.js';
import { hasTable, patiently } from './connect.js';

const FOLDER = new URL('./migrations/', import.meta.url);

const CREATE_SCHEMA_VERSION = `CREATE TABLE IF NOT EXISTS SchemaVersion (
  Version INTEGER PRIMARY KEY,
  Name TEXT NOT NULL,
  Checksum TEXT NOT NULL,
  AppliedAt TEXT NOT NULL
)`;

/** Answers the versions that this call applied. */
export async function migrate(db: Database.Database): Promise<number[]> {
  const known = readMigrations(FOLDER, 'main');
  const missing = (): Migration[] => missingMigrations(known, applied(db), db.name);
  if ((await patiently(missing)).length === 0) return [];
  // The write lock lets one process at a time look again and apply.
  const apply = db.transaction((): number[] => {
    db.exec(CREATE_SCHEMA_VERSION);
    return missing().map(({ version, name, checksum, sql }) => {
      db.exec(sql);
      db.prepare('INSERT INTO SchemaVersion VALUES (?, ?, ?, ?)').run(
        version,
        name,
        checksum,
        new Date().toISOString(),
      );
      return version;
    });
  });
  return patiently(() => apply.immediate());
}

function applied(db: Database.Database): AppliedMigration[] {
  if (!hasTable(db, 'SchemaVersion')) return [];
  return db
    .prepare<[], AppliedMigration>(
      'SELECT Version AS version, Checksum AS checksum FROM SchemaVersion ORDER BY Version',
    )
    .all();
}

/** What `migrate` does to a new file, as one script. */
export function migrationScript(): string {
  const steps = readMigrations(FOLDER, 'main').map(
    ({ version, name, checksum, sql }) =>
      `-- ${name}\n${sql.trim()}\nINSERT INTO SchemaVersion VALUES (${version}, '${name}', '${checksum}', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));`,
  );
  return ['BEGIN IMMEDIATE;', `${CREATE_SCHEMA_VERSION};`, ...steps, 'COMMIT;', ''].join('\n\n');
}
