/** Incremental transfers from and to a SQL Server, where TEST_MSSQL_URL names one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import type { Run } from './rig.js';
import { OWN_PLACES, Rig } from './rig.js';

const url = mssqlUrl('Incremental transfers from and to SQL Server');

const DAY = '2025-11-01';

describe.skipIf(url === undefined)('SQL Server', () => {
  let rig: Rig;
  let server: MssqlServer;
  let app: string;
  let dwh: string;

  beforeAll(async () => {
    server = await MssqlServer.open(url!);
    [app, dwh] = [server.newSchema('App'), server.newSchema('DWH')];
    for (const schema of [app, dwh]) await server.run(`CREATE SCHEMA ${schema}`);
    rig = await Rig.open(() => ({ mssql: { url: url! } }));
  });
  afterAll(async () => {
    await rig?.close();
    await server?.close();
  });

  const start = (table: string, at: string | undefined, more: object = {}): Promise<Run> =>
    rig.start('incrementalTransfer', {
      ...{ ...OWN_PLACES, source: 'mssql', target: 'mssql', mode: 'append', cursor: 'at', window: '30m' },
      tables: [{ from: `${app}.${table}`, to: `${dwh}.${table}` }],
      at: at && `${DAY}T${at}:00Z`,
      ...more,
    });

  const move = async (table: string, at: string | undefined, more: object = {}): Promise<unknown> =>
    rig.resultOf(await start(table, at, more));

  async function made(table: string, type: string, ...times: string[]): Promise<void> {
    await server.run(
      `CREATE TABLE ${app}.${table} (id INT IDENTITY PRIMARY KEY, [at] ${type}, note NVARCHAR(20))`,
    );
    await add(table, ...times);
  }

  async function add(table: string, ...times: string[]): Promise<void> {
    for (const time of times) {
      await server.run(`INSERT INTO ${app}.${table} ([at]) VALUES ('${DAY}T${time}')`);
    }
  }

  const ids = async (table: string): Promise<number[]> =>
    (await server.rows(`SELECT id FROM ${dwh}.${table} ORDER BY id`)).map(([id]) => Number(id));

  const notes = async (table: string): Promise<unknown[][]> =>
    (await server.rows(`SELECT id, note FROM ${dwh}.${table} ORDER BY id`)).map(([id, note]) => [
      Number(id),
      note,
    ]);

  /** What is in, and by which batch, as far as it is told apart from the other. */
  async function intervals(table: string): Promise<string[]> {
    const found = (await server.rows(
      `SELECT [From], [To], DENSE_RANK() OVER (ORDER BY LogID) FROM ${dwh}.BatchInterval
       WHERE TableName = '${dwh}.${table}' ORDER BY LEN([To]), [To]`,
    )) as Array<[string, string, unknown]>;
    const short = (text: string): string => text.replace(`${DAY}T`, '').replace(':00.000Z', '');
    return found.map(([from, to, batch]) => `${short(from)}-${short(to)} by ${String(batch)}`);
  }

  it.each([
    // Babelfish rounds a seventh digit.
    ['DATETIME2(6)', '09:59:59.999999', '10:29:59.999999'],
    ['DATETIMEOFFSET(6)', '11:59:59.999999+02:00', '12:29:59.999999+02:00'],
    ['DATETIME', '09:59:59.997', '10:29:59.997'],
    ['SMALLDATETIME', '09:59:00', '10:29:00'],
  ])('moves a window once by a %s, with its first moment and without its last', async (type, early, last) => {
    const table = `edges_${type.split('(')[0]!.toLowerCase()}`;
    await made(table, type, early, '10:00:00', last, '10:30:00', '11:59:00');
    expect(await move(table, '10:30')).toMatchObject({ rowsProcessed: 2, recordCountAfter: 2 });
    expect(await move(table, '10:30')).toMatchObject({ rowsProcessed: 0 });
    expect(await ids(table)).toEqual([2, 3]);
    expect(await move(table, '12:00')).toMatchObject({ rowsProcessed: 2 });
    expect(await ids(table)).toEqual([2, 3, 4, 5]);
    expect(await intervals(table)).toEqual(['10:00-10:30 by 1', '10:30-12:00 by 2']);
  });

  it.each(['DATETIME2', 'DATETIMEOFFSET'])(
    'moves a window again with force by a %s, in place of its rows, and splits what was moved as one',
    async (type) => {
      const table = `forced_${type.toLowerCase()}`;
      await made(table, type, '10:29:59.999', '10:30:00', '10:40:00', '10:59:59.999', '11:00:00');
      await move(table, '11:30', { window: '90m' });
      await server.run(`DELETE FROM ${app}.${table} WHERE id = 3; UPDATE ${app}.${table} SET note = N'new'`);
      await add(table, '10:45:00');
      await server.run(
        `INSERT INTO ${dwh}.${table} VALUES (77, '${DAY}T10:41:00', N'by hand', 4711, SYSUTCDATETIME())`,
      );
      expect(await move(table, '11:00', { force: true })).toMatchObject({
        ...{ rowsProcessed: 3, recordCountBefore: 6, recordCountAfter: 6 },
      });
      expect(await notes(table)).toEqual([
        ...[
          [1, null],
          [2, 'new'],
          [4, 'new'],
          [5, null],
          [6, null],
          [77, 'by hand'],
        ],
      ]);
      expect(await intervals(table)).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2', '11:00-11:30 by 1']);
    },
  );

  it('merges late rows of the overlap', async () => {
    await made('late', 'DATETIME2', '10:20:00', '10:29:00');
    await move('late', '10:30', { mode: 'merge' });
    await add('late', '10:28:00', '10:05:00', '10:40:00');
    await server.run(`UPDATE ${app}.late SET note = N'changed' WHERE id = 2`);
    expect(await move('late', '11:00', { mode: 'merge', overlap: '5m' })).toMatchObject({
      ...{ rowsProcessed: 3, recordCountBefore: 2, recordCountAfter: 4 },
    });
    expect(await notes('late')).toEqual([
      [1, null],
      [2, 'changed'],
      [3, null],
      [5, null],
    ]);
    expect(await intervals('late')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  it('moves keys up to the largest that their type has', async () => {
    await server.run(
      `CREATE TABLE ${app}.keys (id INT PRIMARY KEY); INSERT INTO ${app}.keys VALUES (-5), (3)`,
    );
    const byKey = { cursor: 'ID', window: undefined };
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 2 });
    await server.run(`INSERT INTO ${app}.keys VALUES (2147483647)`);
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 1 });
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 0 });
    expect(await intervals('keys')).toEqual(['-5-4 by 1', '4-2147483648 by 2']);
    expect(await move('keys', undefined, { ...byKey, force: true })).toMatchObject({ rowsProcessed: 3 });
    expect(await ids('keys')).toEqual([-5, 3, 2147483647]);
  });

  it('keeps the intervals of two sources apart that differ in upper and lower case only', async () => {
    await made('apart', 'DATETIME2', '10:10:00', '10:20:00');
    await server.run(`UPDATE ${app}.apart SET note = CASE id WHEN 1 THEN N'a' ELSE N'A' END`);
    const where = (note: string): object => ({
      tables: [
        {
          ...{ from: `${app}.apart`, to: `${dwh}.apart` },
          where: `note COLLATE Latin1_General_BIN2 = N'${note}'`,
        },
      ],
    });
    await move('apart', '10:30', where('a'));
    await move('apart', '10:30', { ...where('A'), force: true });
    expect(await ids('apart')).toEqual([1, 2]);
    expect(await intervals('apart')).toEqual(['10:00-10:30 by 1', '10:00-10:30 by 2']);
    // Takes the place of its own rows, and of no others.
    expect(await move('apart', '10:30', { ...where('a'), force: true })).toMatchObject({
      ...{ rowsProcessed: 1, recordCountAfter: 2 },
    });
  });

  it('moves again what a batch had moved that is replayed, and leaves what a merge no longer reads', async () => {
    await made('again', 'DATETIME2', '10:10:00', '10:20:00', '10:40:00');
    const run = await start('again', '10:30', { mode: 'merge' });
    await rig.resultOf(run);
    const first = await rig.batchOf(run);
    await move('again', '11:00', { mode: 'merge' });
    await server.run(
      `UPDATE ${app}.again SET note = N'new' WHERE id = 1; UPDATE ${app}.again SET [at] = '${DAY}T12:00:00' WHERE id = 2`,
    );
    const input = { batchId: first.batch.LogID, force: true };
    expect(await rig.resultOf(await rig.start('replayBatch', input))).toMatchObject({ status: 'Success' });
    expect(await notes('again')).toEqual([
      [1, 'new'],
      [2, null],
      [3, null],
    ]);
    expect(await intervals('again')).toEqual(['10:00-10:30 by 2', '10:30-11:00 by 1']);
  });

  it('goes on from a table in SQLite, with its times', async () => {
    await made('there', 'DATETIMEOFFSET(3)', '10:10:00', '10:20:30', '10:40:00');
    const toSqlite = { tables: [{ from: `${app}.there`, to: 'DWH.there' }], target: 'target' };
    expect(await move('there', '11:00', { ...toSqlite, window: '1h' })).toMatchObject({ rowsProcessed: 3 });
    const back = {
      tables: [{ from: 'DWH.there', to: `${dwh}.there`, columns: ['id', 'at'] }],
      source: 'target',
    };
    expect(await move('there', '10:30', back)).toMatchObject({ rowsProcessed: 2 });
    expect(
      await server.rows(`SELECT id, CONVERT(VARCHAR(19), [at], 120) FROM ${dwh}.there ORDER BY id`),
    ).toEqual([
      ['1', `${DAY} 10:10:00`],
      ['2', `${DAY} 10:20:30`],
    ]);
  });

  it('says that a cursor is none', async () => {
    await server.run(`CREATE TABLE ${app}.texts (id INT PRIMARY KEY, day DATE, ver BINARY(8))`);
    const refusal = async (cursor: string): Promise<string> =>
      (await rig.failureOf(await start('texts', '10:30', { cursor }))).message;
    expect(await refusal('day')).toContain('the cursor day is date. A cursor must be a timestamp');
    expect(await refusal('ver')).toContain('the cursor ver is bytes. A cursor must be a timestamp');
    expect(await refusal('none')).toContain('has no column "none". Its columns: id, day, ver');
  });

  describe('runs at once', () => {
    it('for the same window move it once', async () => {
      await made('twins', 'DATETIME2', '10:10:00', '10:20:00');
      const holder = await server.hold(`${dwh}.twins`);
      const runs = [await start('twins', '10:30'), await start('twins', '10:30')];
      for (const run of runs) await rig.untilLoading(run);
      await holder.release();
      const results = (await Promise.all(runs.map((run) => rig.resultOf(run)))) as Array<{
        rowsProcessed: number;
      }>;
      expect(results.map(({ rowsProcessed }) => rowsProcessed).sort()).toEqual([0, 2]);
      expect(await ids('twins')).toEqual([1, 2]);
      expect(await intervals('twins')).toEqual(['10:00-10:30 by 1']);
    });

    it('do not merge an older state of a row over a newer one', async () => {
      await made('raced', 'DATETIME2', '09:50:00');
      await move('raced', '10:00', { mode: 'merge' });
      await server.run(`UPDATE ${app}.raced SET [at] = '${DAY}T10:10:00', note = N'older'`);
      const holder = await server.hold(`${dwh}.raced`);
      const run = await start('raced', '10:30', { mode: 'merge' });
      await rig.untilLoading(run);
      const newer = `SET [at] = '${DAY}T10:40:00', note = N'newer'`;
      await server.run(`UPDATE ${app}.raced ${newer}`);
      // As a run of the next window leaves it, which read the row later and was here first.
      await holder.run(`UPDATE ${dwh}.raced ${newer}`);
      await holder.release();
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 0 });
      expect(await notes('raced')).toEqual([[1, 'newer']]);
      expect(await intervals('raced')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
    });
  });
});
