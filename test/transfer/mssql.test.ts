/** Transfers from and to a SQL Server, where TEST_MSSQL_URL names one. */
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import { OWN_PLACES, Rig } from './rig.js';

const url = mssqlUrl('Transfers from and to SQL Server');

describe.skipIf(url === undefined)('SQL Server', () => {
  let rig: Rig;
  let server: MssqlServer;
  let schema: string;

  beforeAll(async () => {
    server = await MssqlServer.open(url!);
    schema = server.newSchema('Tr');
    await server.run(`CREATE SCHEMA ${schema}`);
    rig = await Rig.open(() => ({ mssql: { url: url! } }));
  });
  afterAll(async () => {
    await rig?.close();
    await server?.close();
  });

  const run = (text: string): Promise<void> => server.run(text);
  const rows = (text: string): Promise<unknown[][]> => server.rows(text);

  function source(text: string): void {
    const file = rig.database('source/app');
    file.exec(text);
    file.close();
  }

  /** Without the zeros that end a fraction: SQL Server writes seven digits, and Babelfish, which has six, those. */
  function shortTimes(table: unknown[]): unknown[] {
    const short = (value: unknown): unknown =>
      typeof value === 'string' ? value.replace(/(:\d\d(?:\.\d*?[1-9])?)\.?0*(\+00)?$/, '$1$2') : value;
    return (table as unknown[][]).map((row) => row.map(short));
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
    expect(shortTimes(rig.rows('target/DWH', all))).toEqual(shortTimes(rig.rows('source/app', all)));
  });

  it('values of types that only SQL Server has arrive as what they say', async () => {
    await run(`CREATE TABLE ${schema}.own (id TINYINT PRIMARY KEY, m MONEY, sm SMALLMONEY, r REAL, f FLOAT, n NUMERIC(38, 38),
      dt DATETIME, sdt SMALLDATETIME, dto DATETIMEOFFSET(7), c CHAR(3), nc NCHAR(3), vb VARBINARY(10), x XML, u UNIQUEIDENTIFIER)`);
    await run(`INSERT INTO ${schema}.own VALUES
      (0, -922337203685477.5808, 214748.3647, 0.5, 5e-300, -0.99999999999999999999999999999999999999, '1753-01-01T00:00:00', '2079-06-06T23:59:00',
        '2024-10-27T02:30:00.123456+14:00', 'ab', N'é', 0x00FF, N'<a b="1">x</a>', 'FFFFFFFF-0000-0000-0000-00000000000A'),
      (255, 0.0001, NULL, -1024, -1.7976931348623157e308, 0, '9999-12-31T23:59:59', NULL, NULL, '', N'', 0x, NULL, NULL)`);
    await rig.transfer({
      ...{ source: 'mssql', target: 'target', mode: 'append' },
      tables: [{ from: `${schema}.own`, to: 'DWH.own' }],
    });
    const all =
      'SELECT id, CAST(m AS TEXT), sm, r, f, n, dt, sdt, dto, rtrim(c), rtrim(nc), vb, x, u FROM own ORDER BY id';
    expect(shortTimes(rig.rows('target/DWH', all))).toEqual([
      [
        ...[
          0n,
          '-922337203685477.5808',
          214748.3647,
          0.5,
          5e-300,
          '-0.99999999999999999999999999999999999999',
        ],
        ...['1753-01-01 00:00:00', '2079-06-06 23:59:00', '2024-10-26 12:30:00.123456+00'],
        ...['ab', 'é', Buffer.from([0, 255]), '<a b="1">x</a>', 'ffffffff-0000-0000-0000-00000000000a'],
      ],
      [
        ...[255n, '0.0001', null, -1024, -1.7976931348623157e308, '0.00000000000000000000000000000000000000'],
        ...['9999-12-31 23:59:59', null, null, '', '', Buffer.alloc(0), null, null],
      ],
    ]);
  });

  it('names with quotes, spaces, other alphabets, and words of SQL', async () => {
    const names = ['select', 'a b', "o'clock", 'x"y', 'br[ack]et', '名前', 'Straße', '#no', '@no', 'a.b'];
    const quoted = (sign: string): string =>
      names.map((name) => `"${name.replaceAll('"', '""')}"${sign}`).join(', ');
    source(`CREATE TABLE "order ""by"" [x] é" (id INTEGER PRIMARY KEY, ${quoted(' TEXT')});
      INSERT INTO "order ""by"" [x] é" VALUES (1, ${names.map((_, index) => index).join(', ')})`);
    const table = `"order ""by"" [x] é"`;
    const there = { from: `app.${table}`, to: `${schema}.${table}` };
    await rig.transfer({ target: 'mssql', mode: 'merge', tables: [there] });
    await rig.transfer({
      ...{ source: 'mssql', target: 'target', mode: 'append' },
      tables: [{ from: there.to, to: `DWH.${table}`, columns: ['id', ...names], where: "[select] = N'0'" }],
    });
    expect(rig.rows('target/DWH', `SELECT id, ${quoted('')} FROM ${table}`)).toEqual([
      [1n, ...names.map((_, index) => String(index))],
    ]);
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
    await run(`UPDATE ${schema}.mine SET BatchID = ${last} WHERE id = 9`);
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

  it('a constraint of the table that a row breaks ends the batch, and leaves the table as it was', async () => {
    source(`CREATE TABLE strict (id INTEGER PRIMARY KEY); INSERT INTO strict VALUES (1), (2), (-3)`);
    await run(
      `CREATE TABLE ${schema}.strict (id BIGINT NOT NULL CHECK (id > 0), BatchID BIGINT, LoadedAt DATETIME2)`,
    );
    for (const allowRejected of [false, true]) {
      expect(await rig.refusal({ ...one('strict'), allowRejected })).toMatchObject({
        type: 'RowsRejected',
        message: expect.stringContaining('the target refuses a row: ') as unknown,
      });
    }
    expect(await rows(`SELECT COUNT(*) FROM ${schema}.strict`)).toEqual([[0]]);
    expect(await rows(`SELECT COUNT(*) FROM ${schema}.BatchLoad WHERE TableName LIKE '%strict'`)).toEqual([
      [0],
    ]);
  });

  it('cancelling ends a wait for another load within seconds, and holds nothing any more', async () => {
    source('CREATE TABLE held (id INTEGER PRIMARY KEY); INSERT INTO held VALUES (1)');
    const holder = await server.hold(`${schema}.held`);
    const waiting = await rig.start('historicalTransfer', { ...OWN_PLACES, ...one('held') });
    await rig.untilLoading(waiting);
    const cancelledAt = Date.now();
    await rig.client.workflow.getHandle(waiting.workflowId).cancel();
    try {
      await expect(rig.resultOf(waiting)).rejects.toMatchObject({
        cause: expect.any(CancelledFailure) as unknown,
      });
      // Babelfish does not answer a cancellation while it waits for a lock, for which the driver waits 5 seconds.
      expect(Date.now() - cancelledAt).toBeLessThan(12_000);
    } finally {
      await holder.release();
    }
    expect(await rig.transfer(one('held'))).toMatchObject({ recordCountBefore: 0, recordCountAfter: 1 });
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
