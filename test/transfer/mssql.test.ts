/** Transfers from and to a SQL Server, where TEST_MSSQL_URL names one. Its database must allow snapshot isolation. */
import { randomBytes } from 'node:crypto';
import sql from 'mssql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/engines/mssql/connect.js';
import type { Database } from '../../src/engines/mssql/connect.js';
import { readUrl } from '../../src/engines/mssql/url.js';
import { Rig } from './rig.js';

const url = process.env['TEST_MSSQL_URL'] || undefined;
if (url === undefined) {
  process.stderr.write('Transfers from and to SQL Server are not tested: TEST_MSSQL_URL is not set\n');
}

describe.skipIf(url === undefined)('SQL Server', () => {
  const schema = `Tr_${randomBytes(5).toString('hex')}`;
  let rig: Rig;
  let db: Database;

  beforeAll(async () => {
    db = await connect(readUrl(url!), { connections: 1 });
    await run(`CREATE SCHEMA ${schema}`);
    rig = await Rig.open(() => ({ mssql: { url: url! } }));
  });
  afterAll(async () => {
    const tables = await rows(
      `SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '${schema}'`,
    );
    for (const [name] of tables)
      await run(`DROP TABLE ${schema}.[${(name as string).replaceAll(']', ']]')}]`);
    await run(`DROP SCHEMA ${schema}`);
    await db?.close();
    await rig?.close();
  });

  async function run(text: string): Promise<void> {
    await new sql.Request(db.pool).batch(text);
  }

  async function rows(text: string): Promise<unknown[][]> {
    const request = new sql.Request(db.pool);
    request.arrayRowMode = true;
    const { recordset } = await request.query(text);
    return recordset;
  }

  function source(text: string): void {
    const file = rig.database('source/app');
    file.exec(text);
    file.close();
  }

  const one = (from: string, more: object = {}): object => ({
    ...{ target: 'mssql', mode: 'append' },
    tables: [{ from: `app.${from}`, to: `${schema}.${from}`, ...more }],
  });

  it('values of every type arrive, and come back', async () => {
    source(`CREATE TABLE hard (id INTEGER PRIMARY KEY, flag BOOLEAN, big BIGINT, num DECIMAL(12, 2), exact DECIMAL_TEXT(38, 10),
        f DOUBLE, t TEXT, v VARCHAR(3), b BLOB, d DATE, tm TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, j JSON_TEXT);
      INSERT INTO hard VALUES
        (1, 1, 9223372036854775807, 0.1, '1234567890123456789012345678.0123456789', 0.1, '', 'äöü', x'', '2024-02-29', '23:59:59.9999990',
          '2024-02-29 12:00:00.1234560', '2024-10-27 00:30:00.5000000+00', '00000000-0000-0000-0000-000000000000', '{"a": "\\n"}'),
        (2, 0, -9223372036854775808, -99.99, '-0.0000000001', 5e-300, char(10) || 'a,"b"', 'a,b', x'00ff5c', '0001-01-01', '00:00:00.0000000',
          '9999-12-31 23:59:59.0000000', '1970-01-01 00:00:00.0000000+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"5"'),
        (3, NULL, NULL, NULL, NULL, NULL, '🚚 名 é', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    expect(await rig.transfer(one('hard'))).toMatchObject({ rowsProcessed: 3, recordCountAfter: 3 });
    expect(
      await rows(
        `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = '${schema}' AND TABLE_NAME = 'hard'
           AND COLUMN_NAME IN ('exact', 'tz', 'u', 'b') ORDER BY COLUMN_NAME`,
      ),
    ).toEqual([
      ['b', 'varbinary'],
      ['exact', 'decimal'],
      ['tz', 'datetimeoffset'],
      ['u', 'uniqueidentifier'],
    ]);
    const names = 'id, flag, big, num, exact, f, t, v, b, d, tm, ts, tz, u, j'.split(', ');
    await rig.transfer({
      ...{ source: 'mssql', target: 'target', mode: 'append' },
      tables: [{ from: `${schema}.hard`, to: 'DWH.hard', columns: names }],
    });
    const all = `SELECT ${names.join(', ')} FROM hard ORDER BY id`;
    expect(rig.rows('target/DWH', all)).toEqual(rig.rows('source/app', all));
  });

  it('append adds, replace takes the place, merge changes by key', async () => {
    source(
      `CREATE TABLE m (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO m VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
    );
    await rig.transfer(one('m'));
    expect(await rig.transfer(one('m'))).toMatchObject({ recordCountBefore: 3, recordCountAfter: 6 });
    expect(await rig.transfer({ ...one('m'), mode: 'replace' })).toMatchObject({ recordCountAfter: 3 });
    source(`DELETE FROM m WHERE id = 1; UPDATE m SET note = 'new'; INSERT INTO m VALUES (4, 'four')`);
    expect(await rig.transfer({ ...one('m'), mode: 'merge' })).toMatchObject({
      ...{ rowsProcessed: 3, recordCountAfter: 4 },
    });
    expect(await rows(`SELECT CAST(id AS INT), note FROM ${schema}.m ORDER BY id`)).toEqual([
      [1, 'a'],
      [2, 'new'],
      [3, 'new'],
      [4, 'four'],
    ]);
    expect((await rig.refusal({ ...one('m', { key: ['note'] }), mode: 'merge' })).message).toContain(
      "1 of the source's rows have the same note as another",
    );
  });

  it('rows with its number that the ledger does not list are refused', async () => {
    source('CREATE TABLE mine (id INTEGER PRIMARY KEY); INSERT INTO mine VALUES (1), (2)');
    await rig.transfer(one('mine'));
    const [[last]] = rig.rows('audit/Audit', 'SELECT max(LogID) FROM PipelineLog') as [[bigint]];
    await run(`INSERT INTO ${schema}.mine VALUES (9, ${last + 1n}, SYSUTCDATETIME())`);
    expect((await rig.refusal(one('mine'))).type).toBe('UnlistedRows');
    expect((await rig.refusal({ ...one('mine'), mode: 'replace' })).type).toBe('UnlistedRows');
    expect(await rows(`SELECT COUNT(*) FROM ${schema}.mine`)).toEqual([[3]]);
  });

  it('rows that the target refuses end the batch, or are kept', async () => {
    source(
      `CREATE TABLE picky (id INTEGER, day DATE); INSERT INTO picky VALUES (1, '2024-01-01'), (NULL, '2024-01-02'), (3, 'soon'), (4, NULL)`,
    );
    await run(
      `CREATE TABLE ${schema}.picky (id BIGINT NOT NULL, day DATE, BatchID BIGINT, LoadedAt DATETIME2)`,
    );
    expect(await rig.refusal(one('picky'))).toMatchObject({
      type: 'RowsRejected',
      message: expect.stringContaining('refuses row 2 of chunk 0: id must not be NULL') as unknown,
    });
    expect(await rows(`SELECT COUNT(*) FROM ${schema}.picky`)).toEqual([[0]]);
    expect(await rig.transfer({ ...one('picky'), allowRejected: true })).toMatchObject({
      ...{ rowsProcessed: 2, rowsRejected: 2 },
    });
    expect(
      await rows(`SELECT CAST([Row] AS INT), Content FROM ${schema}.BatchRejected ORDER BY [Row]`),
    ).toEqual([
      [2, ',"2024-01-02"\n'],
      [3, '"3","soon"\n'],
    ]);
  });

  it('columns are added; one that is gone is named', async () => {
    source('CREATE TABLE grows (id INTEGER PRIMARY KEY); INSERT INTO grows VALUES (1)');
    await rig.transfer(one('grows'));
    source("ALTER TABLE grows ADD COLUMN more TEXT DEFAULT 'x'");
    await rig.transfer(one('grows'));
    expect(await rows(`SELECT more FROM ${schema}.grows ORDER BY more`)).toEqual([[null], ['x']]);
    source('ALTER TABLE grows DROP COLUMN more');
    expect((await rig.refusal(one('grows'))).message).toContain('has a column more, and the source has none');
  });
});
