/** SQLite has no booleans: the audit's row types do. */
import type { SqlValue } from '../../domain/table.js';

type Stored = Record<string, SqlValue>;

export function toStored(row: object): Stored {
  const stored: Stored = {};
  for (const [name, value] of Object.entries(row))
    stored[name] = typeof value === 'boolean' ? Number(value) : value;
  return stored;
}

export function fromStored<Row>(stored: unknown): Row {
  const row = stored as Record<string, unknown>;
  return 'AlertTriggered' in row
    ? ({ ...row, AlertTriggered: row.AlertTriggered === 1 } as Row)
    : (row as Row);
}
