/** The staging dialect: what is written is read back, however the bytes are cut. */
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/dev/seededRandom.js';
import { csvRows } from '../../src/engines/shared/csvReader.js';
import type { Field } from '../../src/engines/shared/csvWriter.js';
import { csvBytes } from '../../src/engines/shared/csvWriter.js';

const written = (rows: Field[][]): Promise<string> => text(csvBytes(rows));

async function read(csv: string, pieceBytes = 1_000_000, options = {}): Promise<Field[][]> {
  const bytes = Buffer.from(csv);
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
  };
  const rows: Field[][] = [];
  for await (const block of csvRows(pieces(), options)) rows.push(...block);
  return rows;
}

describe('the writer', () => {
  it('writes what PostgreSQL writes', async () => {
    const row = ['a', '', null, 'say "hi"', 'a,b', 'two\nlines', 'cr\r', '\\.', ' blank ', '名🚚'];
    expect(await written([row])).toBe('a,"",,"say ""hi""","a,b","two\nlines","cr\r",\\., blank ,名🚚\n');
  });

  it('does not end the data where a row says so', async () => {
    expect(await written([['\\.'], [null], ['']])).toBe('"\\."\n\n""\n');
  });
});

describe('the reader', () => {
  const HARD: Field[][] = [
    ['', null, '"', '""', ',', '\n', '\r\n', 'a"b', '\\.', '🚚'],
    [null, null, null, null, null, null, null, null, null, null],
    ['"a', 'b"', '\n\n', ',,', 'x', '', null, '名', ' ', '\\x00ff'],
  ];

  it.each([1, 2, 3, 7, 64, 1_000])('reads what was written in pieces of %d bytes', async (pieceBytes) => {
    expect(await read(await written(HARD), pieceBytes)).toEqual(HARD);
  });

  it('reads a thousand random tables', async () => {
    const random = seededRandom(6);
    const signs = ['"', ',', '\n', '\r', 'a', 'é', '🚚', '\\', '.', ' '];
    const field = (): Field =>
      random() < 0.2
        ? null
        : Array.from(
            { length: Math.floor(random() * 5) },
            () => signs[Math.floor(random() * signs.length)]!,
          ).join('');
    for (let turn = 0; turn < 1_000; turn++) {
      const width = 1 + Math.floor(random() * 4);
      const rows = Array.from({ length: Math.floor(random() * 6) }, () =>
        Array.from({ length: width }, field),
      );
      expect(await read(await written(rows), 1 + Math.floor(random() * 9))).toEqual(rows);
    }
  });

  it('reads a row of many pieces in a time that grows with its length only', async () => {
    const long = 'x'.repeat(8_000_000);
    const startedAt = performance.now();
    expect(await read(await written([['"', long]]), 4_096)).toEqual([['"', long]]);
    // Looking at all of it again for each piece would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  it('takes carriage returns off row ends only where it was told to', async () => {
    const csv = 'a,b\r\n"c\r\n",\r\n';
    expect(await read(csv, 1_000, { carriageReturns: true })).toEqual([
      ['a', 'b'],
      ['c\r\n', null],
    ]);
    expect(await read('a,b\r\n')).toEqual([['a', 'b\r']]);
  });

  it.each(['"a', '"a"b\n'])('refuses %j', async (csv) => {
    await expect(read(csv)).rejects.toThrow(/^The CSV /);
  });
});
