/** What the catalog says about a table. */
import type { Column } from '../../../domain/columnType.js';
import type { TableName } from '../../../domain/table.js';
import type { Inputs } from '../session.js';
import type { TransferSession } from './session.js';
import type { DeclaredType } from './types.js';
import { typeOf } from './types.js';

export interface FoundTable {
  /** As SQL Server spells it. */
  readonly name: TableName;
  readonly columns: readonly Column[];
}

interface FoundColumn extends DeclaredType {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly nullable: string;
}

/** A name that differs in upper and lower case only is taken where there is no other. */
export async function findTable(session: TransferSession, table: TableName): Promise<FoundTable | undefined> {
  const rows = (await session.rows(
    `SELECT TABLE_SCHEMA AS [schema], TABLE_NAME AS [table], COLUMN_NAME AS [column], LOWER(DATA_TYPE) AS [type],
       NUMERIC_PRECISION AS [precision], NUMERIC_SCALE AS [scale], CHARACTER_MAXIMUM_LENGTH AS [length], IS_NULLABLE AS [nullable]
     FROM INFORMATION_SCHEMA.COLUMNS WHERE LOWER(TABLE_SCHEMA) = LOWER(@schema) AND LOWER(TABLE_NAME) = LOWER(@name)
     ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
    nameInputs(session, table),
  )) as unknown as readonly FoundColumn[];
  const exact = rows.filter((row) => row.schema === table.schema && row.table === table.name);
  const [first] = exact.length > 0 ? exact : rows;
  if (!first) return undefined;
  return {
    name: { schema: first.schema, name: first.table },
    columns: rows
      .filter((row) => row.schema === first.schema && row.table === first.table)
      .map((row) => ({ name: row.column, type: typeOf(row), nullable: row.nullable.toUpperCase() !== 'NO' })),
  };
}

export async function primaryKeyOf(session: TransferSession, table: TableName): Promise<string[]> {
  const rows = await session.rows(
    `SELECT K.COLUMN_NAME AS [column] FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS C
     JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE K ON K.CONSTRAINT_SCHEMA = C.CONSTRAINT_SCHEMA AND K.CONSTRAINT_NAME = C.CONSTRAINT_NAME
       AND K.TABLE_SCHEMA = C.TABLE_SCHEMA AND K.TABLE_NAME = C.TABLE_NAME
     WHERE C.CONSTRAINT_TYPE = 'PRIMARY KEY' AND C.TABLE_SCHEMA = @schema AND C.TABLE_NAME = @name ORDER BY K.ORDINAL_POSITION`,
    nameInputs(session, table),
  );
  return rows.map(({ column }) => column as string);
}

function nameInputs({ db: { driver } }: TransferSession, { schema, name }: TableName): Inputs {
  return { schema: [driver.NVarChar(128), schema], name: [driver.NVarChar(128), name] };
}

/** The schema as SQL Server spells it, if it is there. */
export async function findSchema(session: TransferSession, schema: string): Promise<string | undefined> {
  const rows = await session.rows(
    'SELECT SCHEMA_NAME AS [name] FROM INFORMATION_SCHEMA.SCHEMATA WHERE LOWER(SCHEMA_NAME) = LOWER(@schema)',
    { schema: [session.db.driver.NVarChar(128), schema] },
  );
  const names = rows.map(({ name }) => name as string);
  return names.find((name) => name === schema) ?? names[0];
}
