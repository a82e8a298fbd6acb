/** The answer to a person's SELECT, as the contract has values. */
import type Driver from 'mssql';
import type { SqlRow, SqlValue } from '../../domain/table.js';
import type { Column, Table } from './session.js';

export interface Answer {
  readonly columns: string[];
  readonly rows: SqlRow[];
}

export function readAnswer(driver: typeof Driver, { columns, rows }: Table): Answer {
  const names = uniqueNames(columns.map(({ name }) => name));
  return {
    columns: names,
    rows: rows.map((row) =>
      Object.fromEntries(names.map((name, index) => [name, readValue(driver, columns[index]!, row[index])])),
    ),
  };
}

/** A row has one value for a name; SQL Server allows a column without a name, and several with the same. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  for (const name of names) {
    const base = name === '' ? '(No column name)' : name;
    let free = base;
    for (let number = 2; taken.has(free); number++) free = `${base} (${number})`;
    taken.add(free);
  }
  return [...taken];
}

function readValue(driver: typeof Driver, { type }: Column, value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return readDate(driver, type, value);
  if (value instanceof Uint8Array || typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'string') return type === driver.BigInt ? BigInt(value) : value;
  return JSON.stringify(value); // geometry
}

function readDate(driver: typeof Driver, type: Column['type'], value: Date): string {
  const text = value.toISOString();
  if (type === driver.Date) return text.slice(0, 10);
  return type === driver.Time ? text.slice(11, -1) : text;
}
