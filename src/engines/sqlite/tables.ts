/** What a SQLite file says about its tables. */
import type Database from 'better-sqlite3';
import { BadInput } from '../../domain/errors.js';
import { schemaFile } from './connect.js';

/** SQLite compares names without regard to the case of ASCII letters, and of no others. */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** As `foldCase` gives them; none when there is no such table. */
export function columnNames(db: Database.Database, table: string): Set<string> {
  const names = db.prepare('SELECT name FROM pragma_table_xinfo(?)').pluck().all(table) as string[];
  return new Set(names.map(foldCase));
}

export function tablesOf(db: Database.Database): string[] {
  return db
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .pluck()
    .all() as string[];
}

/** `main` and `temp` are SQLite's own; a lock on the audit's files would hold up the worker that writes to them. */
const RESERVED_SCHEMAS = ['audit', 'outbox', 'main', 'temp'];

export function isReserved(schema: string): boolean {
  return RESERVED_SCHEMAS.includes(foldCase(schema));
}

/** The file of a schema that a pipeline may write to. */
export function pipelineFile(folder: string, schema: string): string {
  if (isReserved(schema)) {
    throw new BadInput(
      `A pipeline can't write to the schema ${schema}: Audit and outbox are the audit trail's, main and temp are SQLite's. ` +
        'Use another one, such as Staging or DWH',
    );
  }
  return schemaFile(folder, schema);
}

/** Not one of the errors that end a batch: the lock will be free again. */
export function lockedError(label: string, schemas: readonly string[], cause: unknown): Error {
  return new Error(
    `${label}: ${schemas.join(' and ')} is locked by another connection. ` +
      'If this lasts, look for a program that keeps a transaction open on it',
    { cause },
  );
}
