/** What the catalog says about a table. */
import type { Column } from '../../../domain/columnType.js';
import type { TableName } from '../../../domain/table.js';
import { quote } from '../schemaName.js';
import type { Session } from './session.js';
import { typeOf } from './types.js';

export interface FoundTable {
  readonly oid: string;
  /** As PostgreSQL spells it. */
  readonly table: TableName;
  /** Whether its rows are in one heap, with pages that can be counted. */
  readonly isHeap: boolean;
}

/** A name with capitals that is not there stands for the one in lower case, as in SQL without quotes. */
export async function findTable(
  session: Session,
  { schema, name }: TableName,
): Promise<FoundTable | undefined> {
  const [row] = await session.rows(
    `SELECT C.oid, N.nspname, C.relname, C.relkind IN ('r', 'm') AND NOT C.relhassubclass
     FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
     WHERE C.relkind IN ('r', 'p', 'v', 'm', 'f') AND N.nspname IN ($1::text, lower($1::text))
       AND C.relname IN ($2::text, lower($2::text))
     ORDER BY N.nspname = $1::text DESC, C.relname = $2::text DESC LIMIT 1`,
    [schema, name],
  );
  if (!row) return undefined;
  return { oid: row[0]!, table: { schema: row[1]!, name: row[2]! }, isHeap: row[3] === 't' };
}

export async function columnsOf(session: Session, { oid }: FoundTable): Promise<Column[]> {
  const rows = await session.rows(
    `SELECT A.attname, format_type(coalesce(B.oid, T.oid), coalesce(nullif(T.typtypmod, -1), A.atttypmod)), A.attnotnull
     FROM pg_catalog.pg_attribute A JOIN pg_catalog.pg_type T ON T.oid = A.atttypid
     LEFT JOIN pg_catalog.pg_type B ON T.typtype = 'd' AND B.oid = T.typbasetype
     WHERE A.attrelid = $1 AND A.attnum > 0 AND NOT A.attisdropped ORDER BY A.attnum`,
    [oid],
  );
  return rows.map(([name, type, notNull]) => ({
    ...{ name: name!, type: typeOf(type!), nullable: notNull !== 't' },
  }));
}

export async function primaryKeyOf(session: Session, { oid }: FoundTable): Promise<string[]> {
  const rows = await session.rows(
    `SELECT A.attname FROM pg_catalog.pg_index I
     CROSS JOIN LATERAL unnest(I.indkey::int2[]) WITH ORDINALITY AS K (attnum, place)
     JOIN pg_catalog.pg_attribute A ON A.attrelid = I.indrelid AND A.attnum = K.attnum
     WHERE I.indrelid = $1 AND I.indisprimary ORDER BY K.place`,
    [oid],
  );
  return rows.map(([name]) => name!);
}

export function quoted({ schema, name }: TableName): string {
  return `${quote(schema)}.${quote(name)}`;
}
