import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { northwindScripts } from '../../src/dev/northwind.js';
import { parseTransform, splitScript } from '../../src/engines/sqlite/script.js';

const sqlOf = (script: string): string[] => splitScript(script).map(({ sql }) => sql);

describe('splitScript', () => {
  it.each([
    ['SELECT 1; SELECT 2;', ['SELECT 1', 'SELECT 2']],
    ['SELECT 1', ['SELECT 1']],
    [`SELECT 'a;b', 'it''s; fine'; SELECT 2`, [`SELECT 'a;b', 'it''s; fine'`, 'SELECT 2']],
    ['SELECT "a;""b"; SELECT 2', ['SELECT "a;""b"', 'SELECT 2']],
    ['SELECT [a;b]; SELECT 2', ['SELECT [a;b]', 'SELECT 2']],
    ['SELECT `a;``b`; SELECT 2', ['SELECT `a;``b`', 'SELECT 2']],
    ['SELECT 1 -- a; b\n; SELECT 2', ['SELECT 1 -- a; b', 'SELECT 2']],
    ['SELECT 1 /* a; \n b; */; SELECT 2', ['SELECT 1 /* a; \n b; */', 'SELECT 2']],
    [`SELECT '--'; SELECT '/*'; SELECT 3`, [`SELECT '--'`, `SELECT '/*'`, 'SELECT 3']],
    [`-- it's\nSELECT 1; /* "don't */ SELECT 2`, ['SELECT 1', 'SELECT 2']],
    ['SELECT 6 / 2 - -1; SELECT 2', ['SELECT 6 / 2 - -1', 'SELECT 2']],
    ['SELECT 1; /* never closed; SELECT 2', ['SELECT 1']],
    ['\uFEFFSELECT 1;\r\n;;\r\n-- the end', ['SELECT 1']],
    ['', []],
    [' -- nothing;\n /* ; */ ;', []],
  ])('%j', (script, statements) => {
    expect(sqlOf(script)).toEqual(statements);
  });

  it('knows the line where a statement starts', () => {
    expect(splitScript('-- first\nSELECT 1;\n\n-- second;\nSELECT\n2;SELECT 3')).toEqual([
      { sql: 'SELECT 1', line: 2 },
      { sql: 'SELECT\n2', line: 5 },
      { sql: 'SELECT 3', line: 6 },
    ]);
  });

  it('takes a text of some megabytes', () => {
    const text = `'${"it''s; ".repeat(500_000)}'`;
    expect(sqlOf(`SELECT ${text}; SELECT 2`)).toEqual([`SELECT ${text}`, 'SELECT 2']);
  });
});

describe('parseTransform', () => {
  it.each([
    'BEGIN',
    'begin immediate',
    'COMMIT',
    'END',
    'ROLLBACK',
    'SAVEPOINT a',
    'RELEASE a',
    `ATTACH 'x' AS y`,
    'DETACH y',
    'CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1',
  ])('refuses %s', (statement) => {
    expect(() => parseTransform(`SELECT 1;\n/* why */ ${statement};`, 'DWH.Load.sql')).toThrow(
      /^DWH\.Load\.sql, line 2: [A-Z ]+ is not possible in a transform.*Take the statement out$/,
    );
  });

  it('takes these words where they are no statements', () => {
    const script = `SELECT CASE WHEN 1 THEN 2 END AS "BEGIN";\n-- COMMIT;\nDELETE FROM commits WHERE a = 'ROLLBACK;'`;
    expect(parseTransform(script, 'DWH.Load.sql')).toHaveLength(2);
  });

  it('refuses a script without statements', () => {
    expect(() => parseTransform('-- to do', 'DWH.Load.sql')).toThrow('DWH.Load.sql holds no statement');
  });

  it('takes the sample', () => {
    const script = readFileSync(join(northwindScripts, 'DWH.TransformSales.sql'), 'utf8');
    expect(parseTransform(script, 'DWH.TransformSales.sql')).toHaveLength(4);
  });
});
