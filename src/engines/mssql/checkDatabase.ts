/** Finds out before a workflow is taken what would fail at its first event. */
import { BadConfig } from '../../domain/errors.js';
import type { Database } from './connect.js';
import { grantsFor } from './migrations.js';
import { quote } from './schemaName.js';
import { reading } from './transactions.js';

/** What OPENJSON needs: SQL Server 2016. */
const OLDEST_LEVEL = 130;
const TABLES = ['Store', 'PipelineLog', 'PipelineRun', 'PipelineEvent', 'Alert', 'Seal', 'Tombstone', 'Turn'];
const RIGHTS = ['SELECT', 'INSERT', 'UPDATE'];

export async function checkDatabase(db: Database): Promise<void> {
  const [[database] = []] = await reading(db, (session) =>
    session.run(
      // Babelfish has OPENJSON, and says 120.
      `SELECT CASE WHEN SERVERPROPERTY('Babelfish') IS NULL THEN compatibility_level END AS [Level],
         DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS [Updateability]
       FROM sys.databases WHERE name = DB_NAME()`,
      {},
    ),
  );
  if (Number(database?.['Level'] ?? OLDEST_LEVEL) < OLDEST_LEVEL) {
    throw new BadConfig(
      `${db.label} has the compatibility level ${String(database?.['Level'])}, and at least ${OLDEST_LEVEL} is needed. ` +
        `Let a DBA run: ALTER DATABASE CURRENT SET COMPATIBILITY_LEVEL = ${OLDEST_LEVEL}`,
    );
  }
  if (database?.['Updateability'] === 'READ_ONLY') {
    throw new BadConfig(
      `${db.label} is read-only. Name the primary server or another database, or let a DBA run: ALTER DATABASE CURRENT SET READ_WRITE`,
    );
  }
}

export async function checkRights(db: Database, schema: string): Promise<void> {
  const has = TABLES.flatMap((table) =>
    RIGHTS.map(
      (right) =>
        `HAS_PERMS_BY_NAME(N'${quote(schema)}.${quote(table)}', 'OBJECT', '${right}') AS ${quote(`${right} on ${schema}.${table}`)}`,
    ),
  );
  const [[rights] = []] = await reading(db, (session) =>
    session.run(`SELECT USER_NAME() AS [User], ${has.join(', ')}`, {}),
  );
  const { User, ...there } = rights!;
  const missing = Object.entries(there).find(([, has]) => has !== 1)?.[0];
  if (!missing) return;
  const user = String(User);
  throw new BadConfig(
    `${db.label}: the user ${user} lacks the right ${missing}. Let a DBA run: ${grantsFor(schema, quote(user))}`,
  );
}
