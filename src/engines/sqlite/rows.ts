/** SQLite has no booleans: the audit's row types do. */
import type { SqlValue } from '../../domain/table.js';

function toStored(value: unknown): SqlValue {
  return typeof value === 'boolean' ? Number(value) : (value as SqlValue);
}

/** The row's values in the order of the columns, for a statement's positional parameters. */
export function valuesOf<Row extends object>(row: Row, columns: ReadonlyArray<keyof Row>): SqlValue[] {
  return columns.map((column) => toStored(row[column]));
}

/** Gives a row that was just read the audit's types; the row is ours, so it is changed in place. */
export function fromStored<Row>(stored: unknown): Row {
  const row = stored as { AlertTriggered?: unknown };
  if (row.AlertTriggered !== undefined) row.AlertTriggered = row.AlertTriggered === 1;
  return row as Row;
}
