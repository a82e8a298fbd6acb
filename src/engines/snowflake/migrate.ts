/**
 * Applies the numbered SQL files of `migrations/`. Each DDL statement commits, so no transaction can hold others off:
 * several processes may run the same statements at once, all of them say IF NOT EXISTS, and the one whose row gets into
 * SchemaVersion has applied the version.
 */
import { BadConfig } from '../../domain/errors.js';
import { missingMigrations } from '../shared/migrations.js';
import type { Database } from './database.js';
import { checkRights } from './checkRights.js';
import { explained, isForbidden, isMissing } from './errors.js';
import { changedRows } from './frame.js';
import {
  createSchema,
  createVersionTable,
  migrationsFor,
  recordVersion,
  statementsOf,
} from './migrations.js';
import { runAgain } from './runAgain.js';

/** Answers the versions that this call applied. It is not held to the store's pace: it runs once, before any work. */
export async function migrate(db: Database): Promise<number[]> {
  try {
    return await applyMissing(db);
  } catch (error) {
    if (!isForbidden(error) && !isMissing(error)) throw explained(error, db.label);
    throw new BadConfig(
      `${db.label}: this role has no right to make the audit tables in schema ${db.schema}: ${(error as Error).message}. ` +
        'Let a DBA run the SQL and the grants that `batchtrail migrate --print` prints, or grant the role CREATE SCHEMA on the database',
      { cause: error },
    );
  }
}

async function applyMissing(db: Database): Promise<number[]> {
  const { schema } = db;
  const missing = missingMigrations(migrationsFor(schema), await applied(db), db.label);
  if (missing.length === 0) {
    await checkRights(db);
    return [];
  }
  await createTogether(db);
  const mine: number[] = [];
  for (const migration of missing) {
    for (const statement of statementsOf(migration)) await runAgain(db, statement);
    if (changedRows(await runAgain(db, recordVersion(schema, migration))) > 0) mine.push(migration.version);
  }
  return mine;
}

async function applied(db: Database): Promise<Array<{ version: number; checksum: string }>> {
  try {
    const rows = await runAgain(
      db,
      `SELECT Version AS "version", Checksum AS "checksum" FROM ${db.schema}.SchemaVersion ORDER BY Version`,
    );
    return rows as unknown as Array<{ version: number; checksum: string }>;
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Asks for the right to create schemas only where there is none. */
async function createTogether(db: Database): Promise<void> {
  const { schema } = db;
  try {
    await runAgain(db, createVersionTable(schema));
  } catch (error) {
    if (!isMissing(error)) throw error;
    await runAgain(db, createSchema(schema));
    await runAgain(db, createVersionTable(schema));
  }
}
