/** Which batch wrote what to a PostgreSQL database, by a connection that can only read. */
import type { TargetReader } from '../targetReaderContract.js';
import { SqlTargetReader, targetTables } from '../shared/targetReader.js';
import { connect } from './connect.js';
import { query } from './query.js';
import { readUrl } from './url.js';

/** People's own conditions may take a while. */
const STATEMENT_TIMEOUT_MS = 5 * 60_000;

/** A partition is a part of its table. BatchID may be any of the types that hold whole numbers, or numeric. */
const TABLES = `
  SELECT N.nspname AS "schema", C.relname AS "name",
    (SELECT A.attname FROM pg_catalog.pg_attribute A
     WHERE A.attrelid = C.oid AND A.attnum > 0 AND NOT A.attisdropped AND lower(A.attname) = 'batchid'
       AND A.atttypid IN (20, 21, 23, 1700) ORDER BY A.attname = 'batchid' DESC LIMIT 1) AS "batchColumn"
  FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
  WHERE C.relkind IN ('r', 'p', 'f') AND NOT C.relispartition AND N.nspname NOT LIKE 'pg\\_%'
    AND N.nspname <> 'information_schema' AND has_schema_privilege(N.oid, 'USAGE') AND has_table_privilege(C.oid, 'SELECT')
  ORDER BY N.nspname, C.relname`;

export async function openTargetReader({ url }: { readonly url: string }): Promise<TargetReader> {
  const db = await connect(readUrl(url), {
    connections: 1,
    statementMs: STATEMENT_TIMEOUT_MS,
    readOnly: true,
  });
  const dialect = {
    label: db.label,
    query: (sql: string) => query(db, sql),
    // PostgreSQL, too, leaves all other letters as they are.
    spelled: (name: string) => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()),
    count: 'COUNT(*)',
    close: () => db.close(),
  };
  try {
    return new SqlTargetReader(dialect, targetTables((await query(db, TABLES)).rows));
  } catch (error) {
    await dialect.close();
    throw error;
  }
}
