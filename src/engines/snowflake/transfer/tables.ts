/** What the catalog says about tables. */
import type { Column } from '../../../domain/columnType.js';
import { BadInput } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import { ids } from '../statements.js';
import type { TransferSession } from './session.js';
import type { DeclaredType } from './types.js';
import { typeOf } from './types.js';

export interface FoundTable {
  /** As Snowflake spells it. */
  readonly name: TableName;
  readonly columns: readonly Column[];
}

interface FoundColumn extends DeclaredType {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly nullable: string;
}

/** Those that are there. A name that is not stands for the one in upper case, as in SQL without quotes. */
export async function findTables(
  session: TransferSession,
  tables: readonly TableName[],
): Promise<Map<TableName, FoundTable>> {
  const spelled = (of: (table: TableName) => string): string[] => [
    ...new Set(tables.flatMap((table) => [of(table), of(table).toUpperCase()])),
  ];
  const schemas = ids(spelled(({ schema }) => schema));
  const names = ids(spelled(({ name }) => name));
  const rows = (await session.run(
    `SELECT TABLE_SCHEMA AS "schema", TABLE_NAME AS "table", COLUMN_NAME AS "column", DATA_TYPE AS "type",
       NUMERIC_PRECISION AS "precision", NUMERIC_SCALE AS "scale", CHARACTER_MAXIMUM_LENGTH AS "length", IS_NULLABLE AS "nullable"
     FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA IN ${schemas.text} AND TABLE_NAME IN ${names.text}
     ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
    [...schemas.binds, ...names.binds],
  )) as unknown as FoundColumn[];
  const columns = new Map<string, FoundColumn[]>();
  for (const row of rows) {
    const key = keyOf({ schema: row.schema, name: row.table });
    columns.set(key, [...(columns.get(key) ?? []), row]);
  }
  const found = new Map<TableName, FoundTable>();
  for (const table of tables) {
    const own = spellings(table)
      .map((name) => columns.get(keyOf(name)))
      .find((list) => list !== undefined);
    if (own) found.set(table, foundTable(own));
  }
  return found;
}

function spellings({ schema, name }: TableName): TableName[] {
  return [schema, schema.toUpperCase()].flatMap((one) =>
    [name, name.toUpperCase()].map((other) => ({ schema: one, name: other })),
  );
}

function keyOf({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

function foundTable(rows: readonly FoundColumn[]): FoundTable {
  const [{ schema, table }] = rows as [FoundColumn];
  const name = { schema, name: table };
  return {
    name,
    columns: rows.map((row) => {
      const type = typeOf(row);
      if (type) return { name: row.column, type, nullable: row.nullable !== 'NO' };
      throw new BadInput(
        `${formatTableName(name)}: the column ${row.column} is ${row.type}, which transfers can't load. Name another table`,
      );
    }),
  };
}

/** The schema as Snowflake spells it, if it is there. */
export async function findSchema(session: TransferSession, schema: string): Promise<string | undefined> {
  const rows = await session.run(
    'SELECT SCHEMA_NAME AS "name" FROM INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME IN (?, ?)',
    [schema, schema.toUpperCase()],
  );
  const names = rows.map(({ name }) => name as string);
  return names.find((name) => name === schema) ?? names[0];
}
