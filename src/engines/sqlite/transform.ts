/**
 * Runs a transform script as one transaction. The transaction starts without a lock and takes one on a file with the
 * first write to it; `BEGIN IMMEDIATE` would lock all files, also those that are only read.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { BadConfig, BadInput, NotFound } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { isBusy, open, patiently, quote, schemaFiles } from './connect.js';
import type { Statement } from './script.js';
import { parseTransform } from './script.js';
import { foldCase, isReserved, lockedError, pipelineFile } from './tables.js';

const PATIENCE_MS = 1_000;
const FILE_NAME = /^[\p{L}\p{N}_$#@ -]+$/u;

export interface TransformPlace {
  readonly folder: string;
  readonly label: string;
  readonly scripts: string | undefined;
  readonly signal: AbortSignal;
}

export async function runTransform(place: TransformPlace, name: TableName, batchID: number): Promise<void> {
  const ownFile = pipelineFile(place.folder, name.schema);
  const scriptName = scriptNameOf(name);
  const script = readScript(place, scriptName);
  const statements = parseTransform(script, scriptName);
  const files = new Map([[name.schema, ownFile], ...othersNamedIn(script, place.folder, name.schema)]);
  const run = async (): Promise<void> => {
    const db = await open(':memory:', {});
    try {
      attach(db, files);
      db.pragma(`${quote(name.schema)}.journal_mode = WAL`);
      db.exec('BEGIN');
      for (const statement of statements) {
        place.signal.throwIfAborted();
        runStatement(db, statement, scriptName, batchID);
        await nextTurn();
      }
      db.exec('COMMIT');
    } finally {
      // Rolls back what was not committed.
      db.close();
    }
  };
  try {
    await patiently(run, PATIENCE_MS);
  } catch (error) {
    if (!isBusy(error)) throw error;
    const locked = await lockedSchemas(files);
    throw lockedError(place.label, locked.length > 0 ? locked : [name.schema], error);
  }
}

function scriptNameOf({ schema, name }: TableName): string {
  if (!FILE_NAME.test(name)) {
    throw new BadInput(
      `The transform name ${JSON.stringify(name)} can't be a file name. Use letters, digits and _`,
    );
  }
  return `${schema}.${name}.sql`;
}

function readScript({ label, scripts }: TransformPlace, scriptName: string): string {
  if (scripts === undefined) {
    throw new BadConfig(
      `${label} has no stored procedures and no folder of scripts. ` +
        `Set "scripts" of this connection to the folder that holds ${scriptName}`,
    );
  }
  const file = join(scripts, scriptName);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new NotFound(`There is no file ${file}. Put the transform's SQL there, or correct its name`, {
      cause: error,
    });
  }
}

/** The other schemas that the script may mean; SQLite can attach ten at most, so not simply all. */
function othersNamedIn(script: string, folder: string, own: string): Array<[string, string]> {
  const text = foldCase(script);
  return [...schemaFiles(folder)].filter(([schema]) => {
    const name = foldCase(schema);
    return name !== foldCase(own) && !isReserved(name) && text.includes(name);
  });
}

function attach(db: Database.Database, files: ReadonlyMap<string, string>): void {
  for (const [schema, file] of files) {
    db.prepare('ATTACH ? AS ?').run(file, schema);
    db.pragma(`${quote(schema)}.synchronous = FULL`);
  }
}

function runStatement(
  db: Database.Database,
  { sql, line }: Statement,
  scriptName: string,
  batchID: number,
): void {
  try {
    const statement = db.prepare(sql);
    // A number would be bound as a floating-point value, and could be stored as 7.0.
    const parameters = { CurrentBatchID: BigInt(batchID) };
    if (statement.reader) statement.all(parameters);
    else statement.run(parameters);
  } catch (error) {
    if (isBusy(error)) throw error;
    const message = `${scriptName}, line ${line}: ${(error as Error).message}`;
    if (error instanceof RangeError) {
      throw new BadInput(`${message}. The parameter that a transform gets is @CurrentBatchID`, {
        cause: error,
      });
    }
    // A wrong statement or a table that is missing: trying it again changes nothing.
    if ((error as { code?: unknown }).code === 'SQLITE_ERROR') throw new BadInput(message, { cause: error });
    throw new Error(message, { cause: error });
  }
}

/** SQLite does not say which file it found locked, so each is asked. */
async function lockedSchemas(files: ReadonlyMap<string, string>): Promise<string[]> {
  const locked: string[] = [];
  for (const [schema, file] of files) {
    const db = await open(file, {});
    try {
      db.exec('BEGIN IMMEDIATE');
    } catch (error) {
      if (!isBusy(error)) throw error;
      locked.push(schema);
    } finally {
      db.close();
    }
  }
  return locked;
}
