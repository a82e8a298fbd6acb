/**
 * Rows as the input of a statement: one JSON text, which OPENJSON makes a table of again, whatever the number of rows.
 *
 * Babelfish leaves the escapes of JSON in the texts that it reads from it (\n stays a backslash and an n), and cuts
 * them after 4,000 characters. Such texts are parameters of their own, and the row has a reference to them.
 */
import type Driver from 'mssql';
import { columnKind } from '../../domain/columns.js';
import { BadInput } from '../../domain/errors.js';
import { cut } from '../../domain/text.js';
import { BINARY, cutLengthOf, isID, lengthOf, typeOf } from './columns.js';
import { isCompared, storedID } from './ids.js';
import type { Inputs } from './session.js';

export interface Given {
  /** A derived table with some of the columns, without its alias. */
  table(columns: readonly string[]): string;
  readonly inputs: Inputs;
  readonly count: number;
}

/** SQL Server takes 2,100 parameters, and the number of texts is rounded up, to less than twice as many. */
const MOST_TEXTS = 1_000;
/** From 5,000 row locks on, SQL Server locks the whole table for one statement. */
const MOST_ROWS = 4_000;
const LONGEST_JSON_TEXT = 2_000;

/** One for as many rows as one statement can take; none for no rows. */
export function given<Row extends object>(
  driver: typeof Driver,
  columns: ReadonlyArray<keyof Row & string>,
  rows: readonly Row[],
): Given[] {
  const parts: Part[] = [];
  for (const row of rows) {
    let part = parts.at(-1);
    if (!part?.hasRoom) parts.push((part = new Part(driver, columns)));
    part.add(row as Readonly<Record<string, unknown>>);
  }
  return parts;
}

class Part implements Given {
  readonly #rows: string[] = [];
  /** By column, the texts that are not in the JSON. */
  readonly #texts = new Map<string, string[]>();
  #textCount = 0;

  constructor(
    readonly driver: typeof Driver,
    readonly columns: readonly string[],
  ) {}

  get count(): number {
    return this.#rows.length;
  }

  get hasRoom(): boolean {
    return this.#rows.length < MOST_ROWS && this.#textCount + this.columns.length <= MOST_TEXTS;
  }

  add(row: Readonly<Record<string, unknown>>): void {
    const object: Record<string, unknown> = {};
    for (const column of this.columns) {
      const value = storable(column, row[column]);
      if (value === null) continue;
      if (typeof value === 'string' && !isPlain(value)) {
        object[reference(column)] = this.#addText(column, value);
      } else {
        object[column] = value;
      }
    }
    this.#rows.push(JSON.stringify(object));
  }

  #addText(column: string, text: string): number {
    const texts = this.#texts.get(column) ?? [];
    this.#texts.set(column, texts);
    this.#textCount++;
    return texts.push(text) - 1;
  }

  get inputs(): Inputs {
    const { NVarChar, MAX } = this.driver;
    const inputs: Inputs = { rows: [NVarChar(MAX), `[${this.#rows.join(',')}]`] };
    for (const [column, texts] of this.#texts) {
      const type = NVarChar(lengthOf(column) ?? MAX);
      for (let n = 0; n < parameterCount(texts); n++) inputs[parameter(column, n)] = [type, texts[n] ?? null];
    }
    return inputs;
  }

  table(columns: readonly string[]): string {
    const apart = columns.filter((column) => this.#texts.has(column));
    const read = [
      ...columns.map((column) => `[${column}] ${typeOf(column)} '$.${column}'`),
      ...apart.map((column) => `[${reference(column)}] INT '$.${reference(column)}'`),
    ];
    const selected = columns.map((column) => {
      const value = apart.includes(column)
        ? `COALESCE([json].[${column}], [${reference(column)}].[Text])`
        : `[json].[${column}]`;
      // A text from JSON has the database's collation, and would not compare with an id's.
      return `${value}${isID(column) ? ` COLLATE ${BINARY}` : ''} AS [${column}]`;
    });
    const joins = apart.map((column) => this.#join(column));
    return `(SELECT ${selected.join(', ')} FROM OPENJSON(@rows) WITH (${read.join(', ')}) AS [json]${joins.join('')})`;
  }

  #join(column: string): string {
    const name = `[${reference(column)}]`;
    const count = parameterCount(this.#texts.get(column)!);
    const values = Array.from({ length: count }, (_, n) => `(${n}, @${parameter(column, n)})`);
    return ` LEFT JOIN (VALUES ${values.join(', ')}) AS ${name} ([Number], [Text]) ON ${name}.[Number] = [json].${name}`;
  }
}

/** A power of two, so that the server need not plan a statement for every number of texts. */
function parameterCount(texts: readonly string[]): number {
  return 2 ** Math.ceil(Math.log2(texts.length));
}

function parameter(column: string, n: number): string {
  return `${column}${n}`;
}

function reference(column: string): string {
  return `${column}_Text`;
}

function storable(column: string, value: unknown): unknown {
  if (typeof value !== 'string') return value ?? null;
  // The type has no time zone: what it holds is UTC.
  if (columnKind(column) === 'time') return value.replace(/Z$/, '');
  if (isCompared(column)) return checked(column, storedID(value));
  const cutLength = cutLengthOf(column);
  return cutLength === undefined ? checked(column, value) : cut(value, cutLength);
}

/** OPENJSON would cut it without a word. */
function checked(column: string, text: string): string {
  const length = lengthOf(column) ?? Infinity;
  if (text.length <= length) return text;
  throw new BadInput(`${column} has ${text.length} characters, and the audit takes at most ${length}`);
}

function isPlain(text: string): boolean {
  return text.length <= LONGEST_JSON_TEXT && JSON.stringify(text).length === text.length + 2;
}
