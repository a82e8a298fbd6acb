/** Transfers from and to a real PostgreSQL. */
import pg from 'pg';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { OWN_PLACES, Rig } from './rig.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Transfers from and to PostgreSQL');

describe.skipIf(!server)('PostgreSQL', () => {
  let rig: Rig;
  let db: pg.Client;

  beforeAll(async () => {
    db = new pg.Client({
      connectionString: server!.url,
      types: { getTypeParser: () => (text: unknown) => text },
    });
    await db.connect();
    await db.query('CREATE SCHEMA app; CREATE SCHEMA dwh');
    rig = await Rig.open(() => ({ pg: { url: server!.url } }));
  });
  afterAll(async () => {
    await rig?.close();
    await db?.end();
    await server?.stop();
  });

  const rows = async (sql: string): Promise<unknown[][]> =>
    (await db.query({ text: sql, rowMode: 'array' })).rows as unknown[][];

  const one = (from: string, more: object = {}): object => ({
    ...{ source: 'pg', target: 'pg', mode: 'append' },
    tables: [{ from: `app.${from}`, to: `dwh.${from}`, ...more }],
  });

  /** So many numbered rows with a text. */
  const numbered = (name: string, count: number): Promise<unknown> =>
    db.query(`CREATE TABLE app.${name} (id int PRIMARY KEY, note text);
      INSERT INTO app.${name} SELECT i, 'note ' || i FROM generate_series(1, ${count}) i; ANALYZE app.${name}`);

  const HARD = `CREATE TABLE app.hard (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12, 2), t text, v varchar(5), c char(3),
      by bytea, d date, tm time, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, ia int[], ta text[], inet inet, r int4range, e mood, dom posint);
    INSERT INTO app.hard VALUES
      (1, true, 32767, 9223372036854775807, 'NaN', 'Infinity', 'NaN', 1234567890.12, '', 'äöüß', 'a', '', '2024-02-29', '23:59:59.999999', '0044-03-15 12:00 BC', 'infinity',
        '1 year -2 days', '00000000-0000-0000-0000-000000000000', '{"a":  [1,null], "a": 2}', '"\\n"', '{1,NULL}', '{"a,b","say \\"hi\\"",NULL,""}', '10.0.0.1/8', '[1,3)', 'sad', 5),
      (2, false, -32768, -9223372036854775808, '-Infinity', 5e-324, 123456789012345678901234567890.123456789012345678901234567890, -0.01, E'line\\nbreak\\r', ',', NULL, '\\x00ff5c22', '-infinity', '24:00',
        'infinity', '2024-10-27 02:30+02', '00:00:00.000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', '{}', '{}', '{}', '::1', 'empty', 'happy', NULL),
      (3, NULL, 0, 0, 0.1, 0.1, '0.000', 0, 'say "hi"', '\\.', '', NULL, '5874897-12-31', '00:00', '294276-12-31 23:59:59.999999', '4713-01-01 00:00+00 BC', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      (4, NULL, 1, 1, 3.4028235e38, 1.7976931348623157e308, '-Infinity', NULL, '\\.', 'NULL', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '🚚 名 é' || repeat('x', 100000), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`;

  describe('values', () => {
    beforeAll(async () => {
      await db.query(
        `CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN posint AS int CHECK (VALUE > 0)`,
      );
      // Numerics know infinity from version 14 on.
      await db.query(HARD);
    });

    it('of every type arrive in PostgreSQL as they were', async () => {
      expect(await rig.transfer(one('hard'))).toMatchObject({ rowsProcessed: 5 });
      const columns =
        'id, b, i2, i8, f4, f8, n, n2, t, v, by, d, tm, ts, tz, iv, u, j::text, jb::text, ia, ta, dom';
      expect(await rows(`SELECT ${columns} FROM dwh.hard ORDER BY id`)).toEqual(
        await rows(`SELECT ${columns} FROM app.hard ORDER BY id`),
      );
      // Types that only PostgreSQL has become texts.
      expect(await rows('SELECT inet, r, e FROM dwh.hard ORDER BY id')).toEqual(
        await rows('SELECT inet, r, e FROM app.hard ORDER BY id'),
      );
      const types = `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname IN ('n2', 'v', 'ia', 'tz', 'batchid') AND attrelid = 'dwh.hard'::regclass ORDER BY 1`;
      expect(await rows(types)).toEqual([
        ['batchid', 'bigint'],
        ['ia', 'integer[]'],
        ['n2', 'numeric(12,2)'],
        ['tz', 'timestamp with time zone'],
        ['v', 'character varying(5)'],
      ]);
    });

    it('of every type arrive in SQLite, and come back', async () => {
      const there = { ...one('hard'), tables: [{ from: 'app.hard', to: 'DWH.hard' }], target: 'target' };
      expect(await rig.transfer(there)).toMatchObject({ rowsProcessed: 5 });
      expect(
        rig.rows('target/DWH', 'SELECT typeof(f4), typeof(f8), n, typeof(by) FROM hard ORDER BY id LIMIT 2'),
      ).toEqual([
        ['text', 'real', 'NaN', 'blob'],
        ['real', 'real', '123456789012345678901234567890.123456789012345678901234567890', 'blob'],
      ]);
      const names = 'id, b, i2, i8, f4, f8, n, n2, t, v, by, d, tm, ts, tz, iv, u, j, ia, ta'.split(', ');
      const back = {
        ...{ source: 'target', staging: 'staging', target: 'pg', mode: 'append' },
        tables: [{ from: 'DWH.hard', to: 'dwh.back', columns: names }],
      };
      await db.query('CREATE TABLE dwh.back (LIKE app.hard, batchid bigint, loadedat timestamptz)');
      await db.query('ALTER TABLE dwh.back DROP c, DROP jb, DROP inet, DROP r, DROP e, DROP dom');
      expect(await rig.refusal(back)).toMatchObject({
        message: expect.stringContaining('does not fit in') as unknown,
      });
      await db.query('DROP TABLE dwh.back');
      expect(await rig.transfer(back)).toMatchObject({ rowsProcessed: 5 });
      const texts = names.map((name) => (name === 'f4' ? 'f4::float4::text' : `${name}::text`)).join(', ');
      expect(await rows(`SELECT ${texts} FROM dwh.back ORDER BY id`)).toEqual(
        await rows(`SELECT ${texts} FROM app.hard ORDER BY id`),
      );
    });
  });

  describe('tables', () => {
    it('in chunks, of any names, from a view, and empty', async () => {
      await numbered('"Ünit ""x"" ]"', 10_000);
      await db.query(
        'CREATE VIEW app.v AS SELECT 1 AS one, NULL::text AS nothing; CREATE TABLE app.empty (a int)',
      );
      const input = {
        ...one('x'),
        tables: [
          { from: 'app.[Ünit "x" ]]]', to: 'DWH.[select "y"]', chunkRows: 1_000 },
          { from: 'app.v', to: 'DWH.SomeView' },
          { from: 'App.Empty', to: 'DWH.Empty' },
        ],
      };
      const run = await rig.start('historicalTransfer', { ...OWN_PLACES, ...input });
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 10_001, recordCountAfter: 10_001 });
      const { batch, events } = await rig.batchOf(run);
      const chunks = events.filter(
        ({ StepName, EventType }) => StepName === 'extractChunk' && EventType === 'success',
      );
      expect(chunks.length).toBeGreaterThan(8);
      expect(
        events.find(({ StepName, EventType }) => StepName === 'holdSnapshot' && EventType !== 'start')
          ?.EventType,
      ).toBe('success');
      expect(
        await rows(
          `SELECT count(DISTINCT id), min(note), count(DISTINCT batchid), min(batchid) FROM dwh."select ""y"""`,
        ),
      ).toEqual([['10000', 'note 1', '1', String(batch.LogID)]]);
      expect(await rows('SELECT one, nothing FROM dwh.someview')).toEqual([['1', null]]);
    });

    it('of 300 columns', async () => {
      const names = Array.from({ length: 300 }, (_, index) => `c${index}`);
      await db.query(`CREATE TABLE app.wide (${names.map((name) => `${name} text`).join(', ')});
        INSERT INTO app.wide VALUES (${names.map((name) => `'${name}'`).join(', ')})`);
      expect(await rig.transfer(one('wide'))).toMatchObject({ rowsProcessed: 1 });
      expect(await rows(`SELECT ${names.join(', ')} FROM dwh.wide`)).toEqual([names]);
    });

    it('a thousand of them arrive in SQLite as one batch', { timeout: 300_000 }, async () => {
      const numbers = Array.from({ length: 1_000 }, (_, number) => number);
      await db.query('CREATE SCHEMA thousand');
      await db.query(
        numbers
          .map((n) => `CREATE TABLE thousand.t${n} AS SELECT i AS id FROM generate_series(1, ${n % 3}) i;`)
          .join(' '),
      );
      const run = await rig.start('historicalTransfer', {
        ...{ ...OWN_PLACES, source: 'pg', mode: 'append', parallel: 8 },
        tables: numbers.map((n) => ({ from: `thousand.t${n}`, to: `Thousand.t${n}` })),
      });
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 999, recordCountAfter: 999 });
      expect((await rig.batchOf(run)).batch).toMatchObject({ Status: 'Success', RowsProcessed: 999 });
      expect(
        rig.rows(
          'target/Thousand',
          `SELECT count(*), count(DISTINCT TableName), sum("Rows"), sum("Rows" = CAST(substr(TableName, 11) AS INTEGER) % 3) FROM BatchLoad`,
        ),
      ).toEqual([[1_000n, 1_000n, 999n, 1_000n]]);
    });

    it('written to meanwhile are of one moment', async () => {
      await numbered('"left"', 20_000);
      await db.query('CREATE TABLE app."right" (id int PRIMARY KEY, note text)');
      const writer = new pg.Client(server!.url);
      await writer.connect();
      let isOver = false;
      // Each moves from one table to the other: their sum is the same at every moment.
      const writing = (async () => {
        for (let id = 1; !isOver; id++) {
          await writer.query(
            `WITH moved AS (DELETE FROM app."left" WHERE id = ${id} RETURNING *) INSERT INTO app."right" SELECT * FROM moved`,
          );
        }
      })();
      const tables = ['left', 'right'].map((name) => ({
        from: `app.[${name}]`,
        to: `dwh.[${name}]`,
        chunkRows: 2_000,
      }));
      const result = await rig.transfer({ ...one('x'), tables });
      isOver = true;
      await writing;
      await writer.end();
      expect(result).toMatchObject({ rowsProcessed: 20_000 });
      expect(
        await rows(
          `SELECT count(*), count(DISTINCT id) FROM (TABLE dwh."left" UNION ALL TABLE dwh."right") AS a`,
        ),
      ).toEqual([['20000', '20000']]);
    });
  });

  describe('a snapshot that is lost', () => {
    it('makes all tables be extracted again', async () => {
      await numbered('again', 5_000);
      await db.query(
        `CREATE FUNCTION app.gate() RETURNS bool LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(42)::text = '' $$`,
      );
      await db.query('SELECT pg_advisory_lock(42)');
      const run = await rig.start('historicalTransfer', {
        ...{ ...OWN_PLACES, ...one('again', { chunkRows: 500, where: 'id > 0 AND app.gate()' }) },
      });
      // The tables are being counted, by another connection than the one that holds the snapshot.
      await vi.waitUntil(
        async () =>
          (await rows(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).length > 0,
        { timeout: 30_000 },
      );
      const ended = await rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`,
      );
      expect(ended).toHaveLength(1);
      await db.query('SELECT pg_advisory_unlock(42)');
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 5_000 });
      expect(await rows('SELECT count(*), count(DISTINCT id) FROM dwh.again')).toEqual([['5000', '5000']]);
      const { events } = await rig.batchOf(run);
      // Whether the holder or a chunk notices first, both steps are done a second time.
      for (const step of ['holdSnapshot', 'planTables']) {
        expect(
          events.filter(({ StepName, EventType }) => StepName === step && EventType === 'start'),
        ).toHaveLength(2);
      }
    });
  });

  describe('modes', () => {
    it('merge makes its table with an index on the key', async () => {
      await numbered('keyed', 3);
      await rig.transfer({ ...one('keyed'), mode: 'merge' });
      const indexes = `SELECT regexp_replace(indexdef, '.* USING ', '') FROM pg_indexes WHERE schemaname = 'dwh' AND tablename = 'keyed' ORDER BY 1`;
      expect(await rows(indexes)).toEqual([['brin (batchid)'], ['btree (id)']]);
    });

    it('append adds, replace takes the place, merge changes by key', async () => {
      await numbered('m', 3);
      await rig.transfer(one('m'));
      expect(await rig.transfer(one('m'))).toMatchObject({ recordCountBefore: 3, recordCountAfter: 6 });
      expect(await rig.transfer({ ...one('m'), mode: 'replace' })).toMatchObject({ recordCountAfter: 3 });
      await db.query(
        `DELETE FROM app.m WHERE id = 1; UPDATE app.m SET note = 'new'; INSERT INTO app.m VALUES (4, 'four')`,
      );
      expect(await rig.transfer({ ...one('m'), mode: 'merge' })).toMatchObject({
        rowsProcessed: 3,
        recordCountAfter: 4,
      });
      expect(await rows('SELECT id, note FROM dwh.m ORDER BY id')).toEqual([
        ['1', 'note 1'],
        ['2', 'new'],
        ['3', 'new'],
        ['4', 'four'],
      ]);
      expect((await rig.refusal({ ...one('m', { key: ['note'] }), mode: 'merge' })).message).toContain(
        "1 of the source's rows have the same note as another",
      );
    });

    it('replace does not touch rows that no batch loaded, and unlisted rows of the same number are refused', async () => {
      await numbered('mine', 2);
      await rig.transfer(one('mine'));
      const [[last]] = rig.rows('audit/Audit', 'SELECT max(LogID) FROM PipelineLog') as [[bigint]];
      await db.query(`INSERT INTO dwh.mine VALUES (9, 'theirs', ${last + 1n}, now())`);
      expect(await rig.refusal(one('mine'))).toMatchObject({
        type: 'UnlistedRows',
        message: expect.stringContaining(`dwh.mine holds 1 rows with BatchID ${last + 1n}`) as unknown,
      });
      expect((await rig.refusal({ ...one('mine'), mode: 'replace' })).type).toBe('UnlistedRows');
      await db.query(`UPDATE dwh.mine SET batchid = ${last} WHERE id = 9`);
      expect((await rig.refusal({ ...one('mine'), mode: 'replace' })).type).toBe('UnlistedRows');
      expect(await rows('SELECT count(*) FROM dwh.mine')).toEqual([['3']]);
    });
  });

  describe('rows that the target refuses', () => {
    it('end the batch, or are kept', async () => {
      await numbered('picky', 5_000);
      await db.query(
        `CREATE TABLE dwh.picky (id int CHECK (id % 1000 <> 7), note text, batchid bigint, loadedat timestamptz)`,
      );
      expect(await rig.refusal(one('picky'))).toMatchObject({
        type: 'RowsRejected',
        message: expect.stringContaining('COPY picky, line 7') as unknown,
      });
      expect(await rows('SELECT count(*) FROM dwh.picky')).toEqual([['0']]);
      expect(await rig.transfer({ ...one('picky'), allowRejected: true })).toMatchObject({
        ...{ rowsProcessed: 4_995, rowsRejected: 5 },
      });
      expect(await rows(`SELECT "row", content FROM dwh.batchrejected ORDER BY "row" LIMIT 2`)).toEqual([
        ['7', '7,note 7\n'],
        ['1007', '1007,note 1007\n'],
      ]);
    });

    it('by a CHECK are found in a merge as well, and by what is in already they end it at once', async () => {
      await numbered('merged', 9);
      await db.query(
        `CREATE TABLE dwh.merged (id int CHECK (id <> 7), note text UNIQUE, batchid bigint, loadedat timestamptz)`,
      );
      const merge = { ...one('merged'), mode: 'merge' as const };
      expect(await rig.refusal(merge)).toMatchObject({
        type: 'RowsRejected',
        message: expect.stringContaining('line 7') as unknown,
      });
      expect(await rig.transfer({ ...merge, allowRejected: true })).toMatchObject({
        ...{ rowsProcessed: 8, rowsRejected: 1 },
      });
      await db.query(`DELETE FROM app.merged WHERE id = 7; UPDATE app.merged SET id = 20 WHERE id = 2`);
      expect(await rig.refusal({ ...merge, allowRejected: true })).toMatchObject({
        type: 'RowsRejected',
        message: expect.stringContaining('Key (note)=(note 2) already exists') as unknown,
      });
      expect(await rows('SELECT count(*) FROM dwh.merged')).toEqual([['8']]);
    });
  });

  describe('columns', () => {
    it('are added; one that is gone or too narrow is named', async () => {
      await numbered('grows', 1);
      await rig.transfer(one('grows'));
      await db.query(`ALTER TABLE app.grows ADD more numeric(5, 1) DEFAULT 1.5`);
      await rig.transfer(one('grows'));
      expect(await rows('SELECT more FROM dwh.grows ORDER BY more')).toEqual([['1.5'], [null]]);
      await db.query('ALTER TABLE app.grows ALTER more TYPE numeric(6, 2)');
      expect((await rig.refusal(one('grows'))).message).toContain(
        "the column more is decimal(5, 1), and the source's is decimal(6, 2)",
      );
      await db.query('ALTER TABLE app.grows DROP more');
      expect((await rig.refusal(one('grows'))).message).toContain(
        'has a column more, and the source has none',
      );
    });
  });

  it('a condition can’t leave its statement', async () => {
    await numbered('safe', 1);
    const where = `true)) TO PROGRAM 'touch /tmp/batchtrail-was-here' --`;
    expect((await rig.refusal(one('safe', { where }))).message).toContain('syntax error');
    expect(await rig.refusal(one('safe', { where: 'note::int > 0' }))).toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining('invalid input syntax for type integer') as unknown,
    });
  });

  it('cancelling stops within seconds and leaves no connection', async () => {
    await db.query(
      `CREATE TABLE app.slow AS SELECT i AS id, repeat('x', 100) AS note FROM generate_series(1, 200000) i`,
    );
    const slow = 'pg_sleep(0.001) IS NOT NULL';
    await rig.stopWorker();
    // As users make theirs.
    await rig.startWorker(rig.connections, 'audit', {});
    const run = await rig.start('historicalTransfer', {
      ...OWN_PLACES,
      ...one('slow', { where: `id < 2 OR ${slow}` }),
    });
    const others = `SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'`;
    await vi.waitUntil(async () => Number((await rows(others))[0]![0]) >= 2, 20_000);
    const cancelledAt = Date.now();
    await rig.client.workflow.getHandle(run.workflowId).cancel();
    await expect(rig.resultOf(run)).rejects.toMatchObject({ cause: expect.any(CancelledFailure) as unknown });
    expect(Date.now() - cancelledAt).toBeLessThan(8_000);
    await vi.waitUntil(async () => (await rows(others))[0]![0] === '0', 8_000);
  });
});
