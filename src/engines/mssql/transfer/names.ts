import type { TableName } from '../../../domain/table.js';

/** Not in brackets: Babelfish does not know a ] in them. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoted({ schema, name }: TableName): string {
  return `${quote(schema)}.${quote(name)}`;
}

export function literal(text: string): string {
  return `N'${text.replaceAll("'", "''")}'`;
}
