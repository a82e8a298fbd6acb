/** Reads the staging dialect (see csvWriter.ts), and other CSV with the same quotes. */
import { StringDecoder } from 'node:string_decoder';
import type { Field } from './csvWriter.js';

const QUOTE = 34;
const COMMA = 44;

/**
 * The rows, in blocks of as many as a piece of the input holds. `carriageReturns` are taken off row ends, for files that
 * other programs made.
 */
export async function* csvRows(
  input: AsyncIterable<Uint8Array>,
  { carriageReturns = false } = {},
): AsyncGenerator<Field[][]> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  // A row that is longer than the pieces is looked at again only when twice as much has come.
  let wanted = 0;
  for await (const piece of input) {
    rest += decoder.write(piece);
    if (rest.length < wanted) continue;
    const { rows, end } = parse(rest, false, carriageReturns);
    rest = rest.slice(end);
    wanted = rest.length * 2;
    if (rows.length > 0) yield rows;
  }
  rest += decoder.end();
  if (rest === '') return;
  const { rows, end } = parse(rest, true, carriageReturns);
  if (end < rest.length) throw new Error('The CSV ends in the middle of a quoted field');
  yield rows;
}

/** The whole rows of a text, and where the first one that is not whole begins. */
function parse(text: string, isLast: boolean, carriageReturns: boolean): { rows: Field[][]; end: number } {
  const rows: Field[][] = [];
  let start = 0;
  let quote = text.indexOf('"');
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) {
      if (!isLast) break;
      end = text.length;
    }
    if (quote >= 0 && quote < start) quote = text.indexOf('"', start);
    if (quote < 0 || quote >= end) {
      const hasReturn = carriageReturns && text.charCodeAt(end - 1) === 13;
      rows.push(plainRow(text.slice(start, hasReturn ? end - 1 : end)));
      start = end + 1;
      continue;
    }
    const row = quotedRow(text, start, isLast, carriageReturns);
    if (!row) break;
    rows.push(row.fields);
    start = row.end;
  }
  return { rows, end: Math.min(start, text.length) };
}

function plainRow(line: string): Field[] {
  const fields: Field[] = line.split(',');
  for (let index = 0; index < fields.length; index++) if (fields[index] === '') fields[index] = null;
  return fields;
}

function quotedRow(
  text: string,
  start: number,
  isLast: boolean,
  carriageReturns: boolean,
): { fields: Field[]; end: number } | undefined {
  const fields: Field[] = [];
  for (let at = start; ; at++) {
    if (text.charCodeAt(at) === QUOTE) {
      const close = closingQuote(text, at + 1);
      // A quote at the very end may be the first half of a doubled one.
      if (close < 0 || (close === text.length - 1 && !isLast)) return undefined;
      fields.push(text.slice(at + 1, close).replaceAll('""', '"'));
      at = close + 1;
      if (carriageReturns && text.charCodeAt(at) === 13) at++;
    } else {
      const comma = text.indexOf(',', at);
      const line = text.indexOf('\n', at);
      if (line < 0 && !isLast && comma < 0) return undefined;
      const lineEnd = line < 0 ? text.length : line;
      const end = comma >= 0 && comma < lineEnd ? comma : lineEnd;
      const isReturn = carriageReturns && end === lineEnd && text.charCodeAt(end - 1) === 13;
      const field = text.slice(at, isReturn ? end - 1 : end);
      fields.push(field === '' ? null : field);
      at = end;
    }
    if (text.charCodeAt(at) === COMMA) continue;
    if (at >= text.length || text[at] === '\n') return { fields, end: at + 1 };
    throw new Error(`The CSV has ${JSON.stringify(text[at])} behind a quoted field`);
  }
}

function closingQuote(text: string, from: number): number {
  for (let at = from; ; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0 || text.charCodeAt(at + 1) !== QUOTE) return at;
  }
}
