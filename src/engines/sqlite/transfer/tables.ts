/** Tables of a file as transfers see them and make them. */
import type Database from 'better-sqlite3';
import type { Column } from '../../../domain/columnType.js';
import type { TableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { BATCH_ID, findColumn, fitColumns, fittedColumn, LOADED_AT } from '../../shared/incoming.js';
import type { IncomingTable } from '../../transferContract.js';
import { quote } from '../connect.js';
import { declaredType, typeOf } from './types.js';

/** The table as it is spelled in the file, if it is there. */
export function nameOf(db: Database.Database, { name }: TableName): string {
  const found = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE")
    .pluck()
    .get(name) as string | undefined;
  return found ?? name;
}

export function columnsOf(db: Database.Database, table: string): Column[] | undefined {
  const columns = db
    .prepare<[string], { name: string; type: string; notnull: number }>(
      'SELECT name, type, "notnull" FROM pragma_table_xinfo(?) WHERE hidden = 0',
    )
    .all(table);
  if (columns.length === 0) return undefined;
  return columns.map(({ name, type, notnull }) => ({ name, type: typeOf(type), nullable: notnull === 0 }));
}

/** Makes what is missing of it, but for the index of its batches. */
export function prepareTable(db: Database.Database, name: string, table: IncomingTable): FittedColumn[] {
  const existing = columnsOf(db, name);
  const columns = fitColumns(table, existing);
  if (existing) {
    const missing = columns.filter(({ isMissing }) => isMissing).map(definition);
    // The rows that are there have none.
    if (!findColumn(existing, LOADED_AT)) missing.push(`${LOADED_AT} TIMESTAMPTZ`);
    for (const column of missing) db.exec(`ALTER TABLE ${quote(name)} ADD COLUMN ${column}`);
  } else {
    const own = [`${BATCH_ID} INTEGER NOT NULL`, `${LOADED_AT} TIMESTAMPTZ NOT NULL`];
    db.exec(`CREATE TABLE ${quote(name)} (${[...columns.map(definition), ...own].join(', ')})`);
  }
  const keys = table.key.map((key) => fittedColumn(table, columns, key).name);
  if (keys.length > 0) makeIndex(db, name, keys);
  return columns;
}

/** Where there is none yet: one that is made when the rows are in costs less than one that is kept row by row. */
export function indexBatches(db: Database.Database, name: string): void {
  makeIndex(db, name, [BATCH_ID]);
}

function makeIndex(db: Database.Database, table: string, columns: readonly string[]): void {
  const name = quote(`IX_${table}_${columns.join('_')}`);
  db.exec(`CREATE INDEX IF NOT EXISTS ${name} ON ${quote(table)} (${columns.map(quote).join(', ')})`);
}

function definition({ name, type, nullable }: FittedColumn): string {
  return `${quote(name)} ${declaredType(type)}${nullable ? '' : ' NOT NULL'}`;
}
