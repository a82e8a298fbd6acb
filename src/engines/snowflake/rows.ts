/** Rows go to the server as one JSON text, and come back as the driver gives them. */
import type { Bind } from 'snowflake-sdk';
import { columnKind } from '../../domain/columns.js';
import { isoTime } from '../../domain/time.js';
import type { Row } from './session.js';
import { TYPES, time, type Source } from './statements.js';

/** A bind and a VARCHAR hold 16 MB at most. */
const LONGEST_TEXT_BYTES = 16_000_000;
/** Escapes make a text longer in JSON; one that long goes into a bind of its own. */
const LONG_TEXT = 200_000;
/** What one statement takes; the rest goes into the next. */
const STATEMENT_BYTES = 12_000_000;

/** Gives rows that were read by `readList` the audit's types. */
export function rowReader<T>(columns: ReadonlyArray<keyof T & string>): (row: Row) => T {
  const times = columns.filter((column) => columnKind(column) === 'time');
  return (row) => {
    const read: Row = {};
    for (const column of columns) read[column] = row[column];
    for (const column of times) if (read[column] !== null) read[column] = isoTime(Number(read[column]));
    return read as T;
  };
}

/** Subqueries that give the rows: one, unless they are too much for a statement. */
export function sourcesOf<T>(rows: readonly T[], columns: ReadonlyArray<keyof T & string>): Source[] {
  const chunks: EncodedRow[][] = [];
  let room = 0;
  for (const row of rows) {
    const encoded = encode(row as Row, columns);
    if (encoded.bytes > room) {
      chunks.push([]);
      room = STATEMENT_BYTES;
    }
    chunks.at(-1)!.push(encoded);
    room -= encoded.bytes;
  }
  return chunks.map((chunk) => toSource(chunk, columns));
}

interface EncodedRow {
  /** Its values as a JSON array, null for those that are too long for it. */
  readonly json: string;
  readonly longTexts: ReadonlyMap<string, string>;
  readonly bytes: number;
}

function encode(row: Row, columns: readonly string[]): EncodedRow {
  const longTexts = new Map<string, string>();
  const values = columns.map((column) => {
    const value = storedValue(column, row[column]);
    if (typeof value !== 'string' || value.length <= LONG_TEXT) return value;
    longTexts.set(column, value);
    return null;
  });
  const json = JSON.stringify(values);
  const texts = [json, ...longTexts.values()];
  return { json, longTexts, bytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) };
}

function toSource(rows: readonly EncodedRow[], columns: readonly string[]): Source {
  const binds: Bind[] = [];
  const values = columns.map((column, index) => {
    const kind = columnKind(column);
    const value = `F.VALUE[${index}]::${TYPES[kind]}`;
    const cases = rows.flatMap(({ longTexts }, row) => {
      const text = longTexts.get(column);
      return text === undefined ? [] : [[row, text] as const];
    });
    binds.push(...cases.map(([, text]) => text));
    if (cases.length === 0) return `${kind === 'time' ? time(value) : value} AS ${column}`;
    return `CASE F.INDEX ${cases.map(([row]) => `WHEN ${row} THEN ?`).join(' ')} ELSE ${value} END AS ${column}`;
  });
  return {
    text: `(SELECT ${values.join(', ')}, F.INDEX AS Position FROM TABLE(FLATTEN(input => PARSE_JSON(?))) F)`,
    binds: [...binds, `[${rows.map(({ json }) => json).join(',')}]`],
  };
}

function storedValue(column: string, value: unknown): Bind {
  if (value === null || value === undefined) return null;
  if (columnKind(column) === 'time') return Date.parse(value as string);
  return typeof value === 'string' ? fitting(value) : (value as Bind);
}

/** An event that Snowflake would never take would hold up its activity for ever, so its end is left out. */
function fitting(text: string): string {
  // A unit of UTF-16 has three bytes at most.
  if (text.length * 3 <= LONGEST_TEXT_BYTES) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= LONGEST_TEXT_BYTES) return text;
  return bytes
    .subarray(0, LONGEST_TEXT_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}
