import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/cli/table.js';
import { formatRecord, formatTable } from '../../src/cli/table.js';
import { cells, clean, oneLine, shorten } from '../../src/cli/text.js';

interface Row {
  id: number;
  name: string;
  error: string;
}

const COLUMNS: ReadonlyArray<Column<Row>> = [
  { title: 'ID', align: 'right', value: ({ id }) => String(id) },
  { title: 'Name', shrinkTo: 6, value: ({ name }) => name },
  { title: 'Error', shrinkTo: 10, value: ({ error }) => error },
];
const ROWS: Row[] = [
  { id: 7, name: 'northwind', error: '' },
  { id: 1234, name: 'hr', error: 'database is locked by a colleague' },
];

describe('formatTable', () => {
  it('is as wide as its content', () => {
    expect(formatTable(COLUMNS, ROWS, 120)).toBe(
      [
        '  ID  Name       Error',
        '   7  northwind',
        '1234  hr         database is locked by a colleague',
      ].join('\n'),
    );
  });

  it('shortens the last columns first', () => {
    expect(formatTable(COLUMNS, ROWS, 32)).toBe(
      ['  ID  Name       Error', '   7  northwind', '1234  hr         database is lo…'].join('\n'),
    );
    expect(formatTable(COLUMNS, ROWS, 25)).toBe(
      ['  ID  Name     Error', '   7  northw…', '1234  hr       database…'].join('\n'),
    );
  });

  it('moves what does not fit below its row', () => {
    expect(formatTable(COLUMNS, ROWS, 20)).toBe(
      ['  ID  Name', '   7  northwind', '1234  hr', '    Error: database…'].join('\n'),
    );
  });

  it('does not shorten a column that was not made for it', () => {
    const columns: ReadonlyArray<Column<Row>> = [
      COLUMNS[0]!,
      { title: 'Error', value: ({ error }) => error },
    ];
    expect(formatTable(columns, ROWS, 20)).toBe(
      ['  ID', '   7', '1234', '    Error: database is locked by a colleague'].join('\n'),
    );
  });

  it('keeps a row on one line and escape sequences out of it', () => {
    const rows = [{ id: 1, name: 'a\n\tb', error: '\u001b[2Jgone\u009b31m' }];
    expect(formatTable(COLUMNS, rows, 120)).toBe('ID  Name  Error\n 1  a b   ␛[2Jgone\\u009b31m');
  });

  it('aligns by terminal cells, not by code units', () => {
    const rows = [
      { id: 1, name: '注文', error: 'x' },
      { id: 2, name: 'e\u0301té', error: 'y' },
      { id: 3, name: '👩‍💻', error: 'z' },
    ];
    expect(formatTable(COLUMNS, rows, 120)).toBe(
      ['ID  Name  Error', ' 1  注文  x', ' 2  e\u0301té   y', ' 3  👩‍💻    z'].join('\n'),
    );
  });

  it('colours the finished cell, so that colours take no room', () => {
    const columns: ReadonlyArray<Column<Row>> = [
      { title: 'Name', value: ({ name }) => name, paint: (cell) => `<${cell}>` },
      COLUMNS[0]!,
    ];
    expect(formatTable(columns, ROWS, 120)).toContain('<hr       >  1234');
  });
});

describe('formatRecord', () => {
  it('aligns values, and the further lines of a value', () => {
    expect(
      formatRecord([
        ['Run', 'abc'],
        ['Error', 'one\ntwo'],
      ]),
    ).toBe('Run    abc\nError  one\n       two');
  });
});

describe('texts for a terminal', () => {
  it('keeps line breaks and tabs, and makes other control characters visible', () => {
    expect(clean('a\r\nb\tc\rd\0\u007f\u202e')).toBe('a\nb\tc␍d␀\\u007f\\u202e');
  });

  it('puts everything on one line', () => {
    expect(oneLine('  a\r\n  b\t\u2028c ')).toBe('a b c');
  });

  it('cuts between whole signs', () => {
    expect(shorten('👩‍💻👩‍💻👩‍💻', 5)).toBe('👩‍💻👩‍💻…');
    expect(shorten('注文注文', 4)).toBe('注…');
    expect(shorten('fits', 4)).toBe('fits');
    expect(cells('注a')).toBe(3);
  });
});
