/** Writes the staging dialect, which is what PostgreSQL's `COPY … TO … (FORMAT csv)` writes: docs/transfers.md. */
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** NULL is an empty field without quotes; an empty text has them. */
export type Field = string | null;

const NEEDS_QUOTES = /[",\r\n]/;
/** How much text is gathered before it goes on. */
const BLOCK_LENGTH = 64 * 1024;

export function rowText(row: readonly Field[]): string {
  // Alone in its row, this text would be taken for the end of the data.
  if (row.length === 1 && row[0] === '\\.') return '"\\."\n';
  let text = '';
  for (let index = 0; index < row.length; index++) {
    const field = row[index]!;
    if (index > 0) text += ',';
    if (field !== null) text += quoted(field);
  }
  return `${text}\n`;
}

function quoted(text: string): string {
  return text === '' || NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows that come one by one, as bytes. Others get their turn after each block. */
export function csvBytes(rows: Iterable<readonly Field[]>): Readable {
  return asBytes(
    (async function* () {
      let block = '';
      for (const row of rows) {
        block += rowText(row);
        if (block.length < BLOCK_LENGTH) continue;
        yield block;
        block = '';
        await nextTurn();
      }
      if (block !== '') yield block;
    })(),
  );
}

/** Texts as a stream that says when it has enough. */
export function asBytes(texts: AsyncIterable<string>): Readable {
  return Readable.from(
    (async function* () {
      for await (const text of texts) yield Buffer.from(text);
    })(),
    { objectMode: false, highWaterMark: BLOCK_LENGTH },
  );
}
