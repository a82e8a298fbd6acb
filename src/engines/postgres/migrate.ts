/** Applies the numbered SQL files of `migrations/`, each once, in order, all in one transaction. */
import type pg from 'pg';
import { BadConfig } from '../../domain/errors.js';
import type { Migration } from '../shared/migrations.js';
import { missingMigrations } from '../shared/migrations.js';
import { checkWritable } from './checkRights.js';
import type { Database } from './connect.js';
import { isMissingRight } from './errors.js';
import { createSchema, createVersionTable, grantsFor, migrationsFor, recordVersion } from './migrations.js';
import { run } from './run.js';
import { quote } from './schemaName.js';
import { inTransaction, READ, WRITE } from './transactions.js';

/** For a statement that changes a large table, or waits for another process that does. */
const PATIENCE_MS = 60 * 60_000;

export async function migrate(db: Database, schema: string): Promise<number[]> {
  const look = (client: pg.ClientBase): Promise<Migration[]> => findMissing(client, schema, db.label);
  const grants = grantsFor(schema, 'SELECT, INSERT, UPDATE', '<role>');
  const missing = await inTransaction(db, READ, look).catch(
    explainMissingRight(
      `${db.label}: this user may not read ${schema}.schemaversion`,
      `Let a DBA run: ${grants}`,
    ),
  );
  if (missing.length === 0) {
    await checkWritable(db, schema);
    return [];
  }
  const applied = await inTransaction(db, WRITE, async (client) => {
    await lock(client, schema);
    // Another process may have done it meanwhile.
    const still = await look(client);
    await apply(client, schema, still);
    return still;
  }).catch(
    explainMissingRight(
      `${db.label}: this user may not make the audit tables in schema ${schema}`,
      'Let a DBA run the SQL that `batchtrail migrate --print` prints, or grant this user the right',
    ),
  );
  return applied.map(({ version }) => version);
}

function explainMissingRight(what: string, remedy: string): (error: unknown) => never {
  return (error) => {
    if (!isMissingRight(error)) throw error;
    throw new BadConfig(`${what}: ${(error as Error).message}. ${remedy}`, { cause: error });
  };
}

async function findMissing(client: pg.ClientBase, schema: string, label: string): Promise<Migration[]> {
  const known = migrationsFor(schema);
  // The catalog, because the table itself can be asked only if it is there.
  const [there] = await run(
    client,
    {
      text: `SELECT 1 FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
             WHERE N.nspname = $1 AND C.relname = 'schemaversion'`,
    },
    [schema],
  );
  if (!there) return known;
  const applied = await run(
    client,
    { text: `SELECT Version, Checksum FROM ${quote(schema)}.SchemaVersion ORDER BY Version` },
    [],
  );
  return missingMigrations(
    known,
    applied.map(([version, checksum]) => ({ version: Number(version), checksum: checksum! })),
    label,
  );
}

/** One process at a time; the lock ends with the transaction. */
async function lock(client: pg.ClientBase, schema: string): Promise<void> {
  await patiently(client, `SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = ${PATIENCE_MS}`);
  await patiently(client, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`batchtrail:${schema}`]);
}

async function apply(client: pg.ClientBase, schema: string, missing: readonly Migration[]): Promise<void> {
  const [there] = await run(client, { text: 'SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1' }, [
    schema,
  ]);
  // Asks for the right to create schemas even where there is nothing to create.
  if (!there) await patiently(client, createSchema(schema));
  if (missing.length > 0) await patiently(client, createVersionTable(schema));
  for (const migration of missing) {
    await patiently(client, migration.sql);
    await patiently(client, recordVersion(schema, migration));
  }
}

/** The driver gives up on a connection that is silent for longer than ordinary statements take. */
async function patiently(client: pg.ClientBase, text: string, values: string[] = []): Promise<void> {
  await client.query({ text, values, query_timeout: PATIENCE_MS } as pg.QueryConfig);
}
