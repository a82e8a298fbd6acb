/** How Snowflake spells names: in upper case, unless they stand in quotes. */
import type { TableName } from '../../../domain/table.js';

/** What Snowflake makes of a name without quotes; names that need them stay as they are. */
export function newName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_$]*$/.test(name) ? name.toUpperCase() : name;
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoted({ schema, name }: TableName): string {
  return `${quote(schema)}.${quote(name)}`;
}

/** A backslash is an escape in Snowflake's texts. */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
