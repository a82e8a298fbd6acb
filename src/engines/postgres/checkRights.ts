import { BadConfig, NotFound } from '../../domain/errors.js';
import type { Database } from './connect.js';
import { grantsFor } from './migrations.js';
import { run } from './run.js';
import { quote } from './schemaName.js';
import { inTransaction, READ } from './transactions.js';

const TABLES = ['store', 'pipelinelog', 'pipelinerun', 'pipelineevent', 'alert', 'seal', 'tombstone', 'turn'];

const MISSING_RIGHTS = `SELECT R.right_name, C.relname, current_user
  FROM unnest($2::text[]) AS R (right_name), pg_catalog.pg_class C
  WHERE C.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
    AND C.relname = ANY ($3) AND NOT has_table_privilege(C.oid, R.right_name)`;

const TAKES_NO_CHANGES =
  "SELECT 1 WHERE pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean";

const READABLE = `SELECT current_user, has_schema_privilege(N.oid, 'USAGE') AND has_table_privilege(C.oid, 'SELECT')
  FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
  WHERE N.nspname = $1 AND C.relname = 'pipelinelog'`;

/** Finds out before a workflow is taken what would fail at its first event. */
export async function checkWritable(db: Database, schema: string): Promise<void> {
  const [[missing], [unchanging]] = await inTransaction(db, READ, (client) =>
    Promise.all([
      run(client, { text: MISSING_RIGHTS }, [schema, ['SELECT', 'INSERT', 'UPDATE'], TABLES]),
      run(client, { text: TAKES_NO_CHANGES }, []),
    ]),
  );
  if (missing) {
    const [right, table, user] = missing;
    throw new BadConfig(
      `${db.label}: the user ${user} lacks the right ${right} on ${schema}.${table}. ` +
        `Let a DBA run: ${grantsFor(schema, 'SELECT, INSERT, UPDATE', quote(user!))}`,
    );
  }
  if (unchanging) {
    throw new BadConfig(
      `${db.label} takes no changes: it is a standby, or default_transaction_read_only is on. ` +
        'Name the primary server, or a user who may write',
    );
  }
}

/** The same for people who only read. */
export async function checkReadable(db: Database, schema: string): Promise<void> {
  const [found] = await inTransaction(db, READ, (client) => run(client, { text: READABLE }, [schema]));
  if (!found) {
    throw new NotFound(
      `There are no audit tables in schema ${schema} of ${db.label}. ` +
        'They are made by `batchtrail migrate` and by the first worker that uses them',
    );
  }
  const [user, isReadable] = found;
  if (isReadable === 't') return;
  throw new BadConfig(
    `${db.label}: the user ${user} may not read the audit tables in schema ${schema}. ` +
      `Let a DBA run: ${grantsFor(schema, 'SELECT', quote(user!))}`,
  );
}
