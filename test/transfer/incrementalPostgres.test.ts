/** Incremental transfers from and to a real PostgreSQL. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import type { Run } from './rig.js';
import { OWN_PLACES, Rig } from './rig.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Incremental transfers of PostgreSQL');

const DAY = '2025-11-01';

describe.skipIf(!server)('PostgreSQL', () => {
  let rig: Rig;
  let db: pg.Client;

  beforeAll(async () => {
    db = new pg.Client({
      connectionString: server!.url,
      types: { getTypeParser: () => (text: unknown) => text },
    });
    await db.connect();
    await db.query(`CREATE SCHEMA app; CREATE SCHEMA dwh;
      ALTER DATABASE postgres SET TimeZone = 'America/New_York'; SET TimeZone = 'UTC'`);
    rig = await Rig.open(() => ({ pg: { url: server!.url } }));
  });
  afterAll(async () => {
    await rig?.close();
    await db?.end();
    await server?.stop();
  });

  const rows = async (sql: string): Promise<unknown[][]> =>
    (await db.query({ text: sql, rowMode: 'array' })).rows as unknown[][];

  const start = (table: string, at: string | undefined, more: object = {}): Promise<Run> =>
    rig.start('incrementalTransfer', {
      ...{ ...OWN_PLACES, source: 'pg', target: 'pg', mode: 'append', cursor: 'at', window: '30m' },
      tables: [{ from: `app.${table}`, to: `dwh.${table}` }],
      at: at && `${DAY}T${at}:00Z`,
      ...more,
    });

  const move = async (table: string, at: string | undefined, more: object = {}): Promise<unknown> =>
    rig.resultOf(await start(table, at, more));

  async function made(table: string, type: string, ...times: string[]): Promise<void> {
    await db.query(
      `CREATE TABLE app.${table} (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, at ${type}, note text)`,
    );
    for (const time of times) await db.query(`INSERT INTO app.${table} (at) VALUES ('${DAY} ${time}')`);
  }

  const ids = async (table: string): Promise<number[]> =>
    (await rows(`SELECT id FROM dwh.${table} ORDER BY id`)).map(([id]) => Number(id));

  async function intervals(table: string): Promise<string[]> {
    const found = (await rows(
      `SELECT "from", "to", dense_rank() OVER (ORDER BY logid) FROM dwh.batchinterval WHERE tablename = 'dwh.${table}' ORDER BY length("from"), "from"`,
    )) as Array<[string, string, string]>;
    const short = (text: string): string => text.replace(`${DAY}T`, '').replace(':00.000Z', '');
    return found.map(([from, to, batch]) => `${short(from)}-${short(to)} by ${batch}`);
  }

  it.each(['timestamp with time zone', 'timestamp'])(
    'moves a window once by a %s, in UTC, whatever the database’s zone is',
    async (type) => {
      const table = type === 'timestamp' ? 'bare' : 'zoned';
      await made(table, type, '09:59:59.999999', '10:00', '10:29:59.999999', '10:30', '11:59');
      expect(await move(table, '10:30')).toMatchObject({ rowsProcessed: 2, recordCountAfter: 2 });
      expect(await move(table, '10:30')).toMatchObject({ rowsProcessed: 0 });
      expect(await ids(table)).toEqual([2, 3]);
      expect(await move(table, '12:00')).toMatchObject({ rowsProcessed: 2 });
      expect(await intervals(table)).toEqual(['10:00-10:30 by 1', '10:30-12:00 by 2']);
    },
  );

  it('moves a window again with force, in place of its rows, and splits what was moved as one', async () => {
    await made('forced', 'timestamptz', '10:10', '10:40', '11:10');
    await move('forced', '11:30', { window: '90m' });
    await db.query(
      `DELETE FROM app.forced WHERE id = 2; INSERT INTO app.forced (at) VALUES ('${DAY} 10:45')`,
    );
    await db.query(`INSERT INTO dwh.forced VALUES (77, '${DAY} 10:41', 'by hand', 4711, now())`);
    expect(await move('forced', '11:00', { force: true })).toMatchObject({ rowsProcessed: 1 });
    expect(await ids('forced')).toEqual([1, 3, 4, 77]);
    expect(await intervals('forced')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2', '11:00-11:30 by 1']);
  });

  it('merges late rows of the overlap', async () => {
    await made('late', 'timestamptz', '10:20', '10:29');
    await move('late', '10:30', { mode: 'merge' });
    await db.query(
      `INSERT INTO app.late (at) VALUES ('${DAY} 10:28'); UPDATE app.late SET note = 'changed' WHERE id = 2`,
    );
    expect(await move('late', '11:00', { mode: 'merge', overlap: '5m' })).toMatchObject({
      ...{ rowsProcessed: 2, recordCountAfter: 3 },
    });
    expect(await rows('SELECT id, note FROM dwh.late ORDER BY id')).toEqual([
      ['1', null],
      ['2', 'changed'],
      ['3', null],
    ]);
  });

  it('moves keys up to the largest that their type has', async () => {
    await db.query(`CREATE TABLE app.keys (id int PRIMARY KEY); INSERT INTO app.keys VALUES (-5), (3)`);
    const byKey = { cursor: 'ID', window: undefined };
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 2 });
    await db.query('INSERT INTO app.keys VALUES (2147483647)');
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 1 });
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 0 });
    expect(await move('keys', undefined, { ...byKey, force: true })).toMatchObject({ rowsProcessed: 3 });
    expect(await ids('keys')).toEqual([-5, 3, 2147483647]);
  });

  it('reads a few rows of a large table as one chunk, and many in several', async () => {
    await db.query(`CREATE TABLE app.large AS SELECT i AS id, timestamptz '${DAY} 00:00Z' + i * interval '1 second' AS at
      FROM generate_series(0, 39999) i; ANALYZE app.large`);
    const chunksOf = async (run: Run): Promise<number> => {
      await rig.resultOf(run);
      const { events } = await rig.batchOf(run);
      return events.filter(
        ({ StepName, EventType }) => StepName === 'extractChunk' && EventType === 'success',
      ).length;
    };
    const more = { tables: [{ from: 'app.large', to: 'dwh.large', chunkRows: 2_000 }] };
    expect(await chunksOf(await start('large', '00:30', more))).toBe(1);
    expect(await chunksOf(await start('large', '10:00', more))).toBeGreaterThan(10);
    expect(await rows('SELECT count(*), count(DISTINCT id), max(id) FROM dwh.large')).toEqual([
      ['36000', '36000', '35999'],
    ]);
  });

  it('into SQLite, and on from there, with the times as PostgreSQL writes them', async () => {
    await made('there', 'timestamptz', '10:10', '10:20:30', '10:40');
    const toSqlite = { tables: [{ from: 'app.there', to: 'DWH.there' }], target: 'target' };
    expect(await move('there', '11:00', { ...toSqlite, window: '1h' })).toMatchObject({ rowsProcessed: 3 });
    await db.query('DELETE FROM app.there WHERE id = 1');
    expect(await move('there', '10:30', { ...toSqlite, force: true })).toMatchObject({ rowsProcessed: 1 });
    expect(rig.rows('target/DWH', 'SELECT id FROM there ORDER BY id')).toEqual([[2n], [3n]]);
    const back = { tables: [{ from: 'DWH.there', to: 'dwh.Back', columns: ['id', 'at'] }], source: 'target' };
    expect(await move('there', '10:30', back)).toMatchObject({ rowsProcessed: 1 });
    expect(await rows('SELECT id, at FROM dwh.back')).toEqual([['2', `${DAY} 10:20:30+00`]]);
  });

  describe('runs at once', () => {
    /** As long as it is held, nobody loads into the table. */
    async function held(table: string): Promise<pg.Client> {
      const other = new pg.Client(server!.url);
      await other.connect();
      await other.query('BEGIN');
      await other.query(`SELECT pg_advisory_xact_lock(hashtextextended('batchtrail dwh.${table}', 0))`);
      return other;
    }

    it('for the same window move it once', async () => {
      await made('twins', 'timestamptz', '10:10', '10:20');
      const other = await held('twins');
      const runs = [await start('twins', '10:30'), await start('twins', '10:30')];
      for (const run of runs) await rig.untilLoading(run);
      await other.query('COMMIT');
      await other.end();
      const results = (await Promise.all(runs.map((run) => rig.resultOf(run)))) as Array<{
        rowsProcessed: number;
      }>;
      expect(results.map(({ rowsProcessed }) => rowsProcessed).sort()).toEqual([0, 2]);
      expect(await ids('twins')).toEqual([1, 2]);
      expect(await intervals('twins')).toEqual(['10:00-10:30 by 1']);
    });

    it('do not merge an older state of a row over a newer one', async () => {
      await made('raced', 'timestamptz', '09:50');
      await move('raced', '10:00', { mode: 'merge' });
      await db.query(`UPDATE app.raced SET at = '${DAY} 10:10', note = 'older'`);
      const other = await held('raced');
      const run = await start('raced', '10:30', { mode: 'merge' });
      await rig.untilLoading(run);
      const newer = `SET at = '${DAY} 10:40', note = 'newer'`;
      await db.query(`UPDATE app.raced ${newer}`);
      // As a run of the next window leaves it, which read the row later and was here first.
      await db.query(`UPDATE dwh.raced ${newer}`);
      await other.query('COMMIT');
      await other.end();
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 0 });
      expect(await rows('SELECT id, note FROM dwh.raced')).toEqual([['1', 'newer']]);
      expect(await intervals('raced')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
    });
  });
});
