/** A person's own SELECT. */
import type { Column } from 'snowflake-sdk';
import { spelled } from '../../domain/columns.js';
import { BadInput } from '../../domain/errors.js';
import type { SqlRow, SqlValue } from '../../domain/table.js';
import { isConnectionLost, isSessionGone, SnowflakeError } from './errors.js';
import { queryTag } from './queryTag.js';
import { checkReads } from './readOnly.js';
import type { Session } from './session.js';

/** More digits than that a double can't hold. */
const EXACT_DIGITS = 15;

export async function query(session: Session, sql: string): Promise<{ columns: string[]; rows: SqlRow[] }> {
  checkReads(sql);
  try {
    const { columns, rows } = await session.run(
      { text: sql },
      { tag: queryTag(), rowMode: 'object_with_renamed_duplicated_columns', numbersAsText: true },
    );
    const readers = columns.map((column) => [column.getName(), nameOf(column), readerOf(column)] as const);
    return {
      columns: readers.map(([, name]) => name),
      rows: rows.map((row) =>
        Object.fromEntries(
          readers.map(([key, name, read]) => [name, row[key] === null ? null : read(row[key])]),
        ),
      ),
    };
  } catch (error) {
    if (!(error instanceof SnowflakeError) || isConnectionLost(error) || isSessionGone(error)) throw error;
    throw new BadInput(`The database refused the statement: ${error.message}`, { cause: error });
  }
}

function nameOf(column: Column): string {
  return spelled(column.getName());
}

function readerOf(column: Column): (value: unknown) => SqlValue {
  if (column.isNumber()) {
    const read = column.getScale() > 0 ? decimal : integer;
    // What is fetched as text has a text for NULL, too.
    return (value) => (value === 'NULL' ? null : read(String(value)));
  }
  if (column.isBoolean()) return (value) => Number(value);
  if (column.isDate()) return (value) => (value as Date).toISOString().slice(0, 10);
  if (column.isTimestamp()) return (value) => new Date(value as Date).toISOString();
  if (column.isBinary()) return (value) => new Uint8Array(value as Buffer);
  return (value) => (typeof value === 'string' ? value : JSON.stringify(value));
}

function integer(text: string): SqlValue {
  if (!/^-?\d+$/.test(text)) return Number(text);
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

function decimal(text: string): SqlValue {
  return text.replace(/^-?0*\.?0*|\./g, '').length <= EXACT_DIGITS ? Number(text) : text;
}
