/** Applies the numbered SQL files of `migrations/`, each once, in order, all in one transaction. */
import { BadConfig } from '../../domain/errors.js';
import type { Migration } from '../shared/migrations.js';
import { missingMigrations } from '../shared/migrations.js';
import { checkDatabase, checkRights } from './checkDatabase.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { isMissingRight } from './errors.js';
import {
  batchesOf,
  createSchema,
  createVersionTable,
  grantsFor,
  migrationsFor,
  recordVersion,
} from './migrations.js';
import { quote } from './schemaName.js';
import type { Session } from './session.js';
import { inTransaction, reading } from './transactions.js';
import type { Server } from './url.js';

/** For a statement that changes a large table, or waits for another process that does. */
const PATIENCE_MS = 60 * 60_000;

export async function migrate(server: Server, db: Database, schema: string): Promise<number[]> {
  await checkDatabase(db);
  const missing = await reading(db, (session) => findMissing(session, schema, db.label)).catch(
    (error: unknown) => {
      throw explained(
        error,
        db.label,
        `read ${schema}.SchemaVersion`,
        `Let a DBA run: ${grantsFor(schema, '<user>')}`,
      );
    },
  );
  if (missing.length === 0) {
    await checkRights(db, schema);
    return [];
  }
  const patient = await connect(server, { connections: 1, statementMs: PATIENCE_MS });
  try {
    const applied = await inTransaction(patient, 'commit', (session) =>
      apply(session, schema, patient.label),
    );
    return applied.map(({ version }) => version);
  } catch (error) {
    throw explained(
      error,
      db.label,
      `make the audit tables in schema ${schema}`,
      'Let a DBA run the SQL that `batchtrail migrate --print` prints, or grant this user the right',
    );
  } finally {
    await patient.close();
  }
}

async function findMissing(session: Session, schema: string, label: string): Promise<Migration[]> {
  const known = migrationsFor(schema);
  const [there] = await session.run(
    'SELECT 1 AS [There] FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = @schema AND TABLE_NAME = @table',
    {
      schema: [session.driver.NVarChar(128), schema],
      table: [session.driver.NVarChar(128), 'SchemaVersion'],
    },
  );
  if (there?.length === 0) return known;
  const [applied] = await session.run(
    `SELECT [Version], [Checksum] FROM ${quote(schema)}.[SchemaVersion] ORDER BY [Version]`,
    {},
  );
  return missingMigrations(
    known,
    applied!.map((row) => ({ version: Number(row['Version']), checksum: String(row['Checksum']) })),
    label,
  );
}

async function apply(session: Session, schema: string, label: string): Promise<Migration[]> {
  await lock(session, schema);
  // Another process may have done it meanwhile.
  const missing = await findMissing(session, schema, label);
  if (missing.length === 0) return [];
  await session.runBatch(createSchema(schema));
  await session.runBatch(createVersionTable(schema));
  for (const migration of missing) {
    for (const batch of batchesOf(migration.sql)) await session.runBatch(batch);
    await session.runBatch(recordVersion(schema, migration));
  }
  return missing;
}

/** One process at a time; the lock ends with the transaction. */
async function lock(session: Session, schema: string): Promise<void> {
  const { NVarChar, Int } = session.driver;
  const [[answer] = []] = await session.run(
    `DECLARE @result INT;
     EXEC @result = sp_getapplock @Resource = @name, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = @patience;
     SELECT @result AS [Result]`,
    { name: [NVarChar(255), `batchtrail:${schema.toLowerCase()}`], patience: [Int, PATIENCE_MS] },
  );
  // Below zero: it took too long, or this one was the victim of a deadlock.
  if (!(Number(answer?.['Result']) >= 0)) {
    throw new BadConfig(
      `Another process has held the lock for creating or upgrading the schema ${schema} for ${PATIENCE_MS / 1_000} s. Wait until it is done and start again`,
    );
  }
}

function explained(error: unknown, label: string, what: string, remedy: string): unknown {
  if (!isMissingRight(error)) return error;
  return new BadConfig(`${label}: this user may not ${what}: ${(error as Error).message}. ${remedy}`, {
    cause: error,
  });
}
