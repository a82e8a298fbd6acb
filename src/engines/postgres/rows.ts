/** Rows go to the server as one array for each column, and come back as the server's texts. */
import type { ColumnKind } from '../../domain/columns.js';
import { columnKind } from '../../domain/columns.js';

/** A row as it comes from the driver, in the order of the columns that were asked for. */
export type Texts = ReadonlyArray<string | null>;

const PARSERS: Readonly<Record<ColumnKind, (text: string) => unknown>> = {
  text: (text) => text,
  integer: Number,
  boolean: (text) => text === 't',
  time: isoTime,
};

/** Makes the audit's rows, with the names that they have on every engine. */
export function rowReader<Row>(columns: ReadonlyArray<keyof Row & string>): (texts: Texts) => Row {
  const parsers = columns.map((column) => PARSERS[columnKind(column)]);
  return (texts) => {
    const row: Record<string, unknown> = {};
    columns.forEach((column, index) => {
      const text = texts[index] ?? null;
      row[column] = text === null ? null : parsers[index]!(text);
    });
    return row as Row;
  };
}

/** The rows as arrays, one for each column, which the statement takes apart again with `unnest`. */
export function arraysOf<Row>(rows: readonly Row[], columns: ReadonlyArray<keyof Row>): unknown[][] {
  return columns.map((column) => rows.map((row) => row[column]));
}

const SERVER_TIME = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?(\+00)?$/;

/** ISO 8601 with at least milliseconds; sessions are in UTC. What has no such form (infinity, BC) stays as it is. */
export function isoTime(text: string): string {
  const [, day, time, fraction = '', zone] = SERVER_TIME.exec(text) ?? [];
  return day ? `${day}T${time}.${fraction.padEnd(3, '0')}${zone ? 'Z' : ''}` : text;
}
