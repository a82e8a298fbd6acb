import { BadInput } from './errors.js';

export type SqlValue = string | number | bigint | Uint8Array | null;
export type SqlRow = Record<string, SqlValue>;

/** A name of two parts, `DWH.Fact_Sales`, taken apart so that an engine can quote each part. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

const PART = String.raw`(?:\[((?:[^\]\p{Cc}]|\]\])+)\]|"((?:[^"\p{Cc}]|"")+)"|([\p{L}_][\p{L}\p{N}_$#@]*))`;
const TWO_PARTS = new RegExp(String.raw`^${PART}\.${PART}$`, 'u');

/** Reads `schema.table`; a part with blanks or signs stands in `[…]` or `"…"`, as in `dbo.[Order Details]`. */
export function parseTableName(text: string, where: string): TableName {
  const match = TWO_PARTS.exec(text);
  if (!match) {
    throw new BadInput(
      `${where}: ${JSON.stringify(text)} is not a table name. ` +
        'Write schema.table, and put a part with blanks or signs in brackets: dbo.[Order Details]',
    );
  }
  const part = (from: number): string =>
    match[from]?.replaceAll(']]', ']') ?? match[from + 1]?.replaceAll('""', '"') ?? match[from + 2] ?? '';
  return { schema: part(1), name: part(4) };
}

/** The name as people write it, with brackets only where they are needed. */
export function formatTableName({ schema, name }: TableName): string {
  const part = (text: string): string =>
    /^[\p{L}_][\p{L}\p{N}_$#@]*$/u.test(text) ? text : `[${text.replaceAll(']', ']]')}]`;
  return `${part(schema)}.${part(name)}`;
}
