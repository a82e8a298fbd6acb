/** A person's own SELECT. */
import type pg from 'pg';
import { spelled } from '../../domain/columns.js';
import { BadInput } from '../../domain/errors.js';
import type { SqlRow, SqlValue } from '../../domain/table.js';
import type { Database } from './connect.js';
import { isRefusal } from './errors.js';
import { isoTime } from './rows.js';
import { run } from './run.js';
import { inTransaction, QUERY } from './transactions.js';

/** By type OID (pg_type). All other types are shown as PostgreSQL writes them: numeric, date, json, arrays… */
const PARSERS: Readonly<Record<number, (text: string) => SqlValue>> = {
  16: (text) => (text === 't' ? 1 : 0),
  17: (text) => Buffer.from(text.slice(2), 'hex'),
  20: (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)),
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  1114: isoTime,
  1184: isoTime,
};

/** Not EXECUTE, CALL, COPY, PREPARE TRANSACTION …: a read-only transaction does not keep all of them from lasting. */
const READING =
  /^(?:\s|--[^\n]*(?:\n|$)|\/\*(?:(?!\*\/).)*\*\/|\()*(?:SELECT|WITH|VALUES|TABLE|EXPLAIN|SHOW)\b/is;

export async function query(
  db: Database,
  sql: string,
  /** Where the audit is, whose columns are spelled as they are everywhere. */
  auditSchema?: string,
): Promise<{ columns: string[]; rows: SqlRow[] }> {
  if (!READING.test(sql)) {
    throw new BadInput(
      'Only statements that read are possible here (SELECT, WITH, VALUES, TABLE, EXPLAIN, SHOW): this connection can not write',
    );
  }
  try {
    return await inTransaction(db, QUERY, async (client) => {
      const tables = run(client, { text: AUDIT_TABLES }, [auditSchema ?? null]);
      const result = client.query<Array<string | null>>({
        text: sql,
        rowMode: 'array',
        // One statement by the extended protocol; the simple one would take several, with a COMMIT among them.
        queryMode: 'extended',
      } as pg.QueryArrayConfig);
      const [oids, { fields, rows }] = await Promise.all([tables, result]);
      return toTable(fields, rows, new Set(oids.map(([oid]) => Number(oid))));
    });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new BadInput(`The database refused the statement: ${error.message}`, { cause: error });
  }
}

const AUDIT_TABLES = `SELECT C.oid FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
  WHERE N.nspname = $1`;

function toTable(
  fields: readonly pg.FieldDef[],
  rows: ReadonlyArray<Array<string | null>>,
  auditTables: ReadonlySet<number>,
): { columns: string[]; rows: SqlRow[] } {
  const columns = fields.map(({ name, tableID }) => (auditTables.has(tableID) ? spelled(name) : name));
  const parsers = fields.map(({ dataTypeID }) => PARSERS[dataTypeID] ?? ((text: string) => text));
  return {
    columns,
    rows: rows.map((texts) =>
      Object.fromEntries(
        texts.map((text, index) => [columns[index]!, text === null ? null : parsers[index]!(text)]),
      ),
    ),
  };
}
