import { columnKind } from '../../domain/columns.js';
import { isCompared, readID } from './ids.js';
import type { Records } from './session.js';

/** Makes the audit's rows of what the driver read: its BIGINTs are texts, its times are dates in UTC. */
export function readRows<Row>(
  columns: ReadonlyArray<keyof Row & string>,
  records: Records | undefined = [],
): Row[] {
  return records.map((record) => {
    const row: Record<string, unknown> = {};
    for (const column of columns) row[column] = readValue(column, record[column] ?? null);
    return row as Row;
  });
}

function readValue(column: string, value: unknown): unknown {
  if (value === null) return null;
  if (value instanceof Date) return value.toISOString();
  if (columnKind(column) === 'integer') return Number(value);
  return isCompared(column) ? readID(value as string) : value;
}
