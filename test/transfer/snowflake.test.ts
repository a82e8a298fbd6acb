/** Transfers to Snowflake, as far as the endpoint goes: from PostgreSQL by S3, and from SQLite by a folder and PUT. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startS3 } from '../endpoints/s3.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import { OWN_PLACES, Rig } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';

const snowflake = await ifPossible(startSnowflake(), 'Transfers to Snowflake');
const s3 = snowflake && (await ifPossible(startS3(), 'Transfers to Snowflake by S3'));
const postgres =
  snowflake && (await ifPossible(startPostgres({ fsync: false }), 'Transfers from PostgreSQL to Snowflake'));

describe.skipIf(!snowflake)('Snowflake', () => {
  let rig: Rig;
  let db: SnowflakeClient;

  beforeAll(async () => {
    db = await SnowflakeClient.open(snowflake!.url);
    await db.run('CREATE SCHEMA RAW');
    if (s3) await db.run(s3.stageOver('RAW.STAGING'));
    rig = await Rig.open(() => ({
      ...(postgres ? { pg: { url: postgres.url } } : {}),
      ...(s3 ? { s3: { url: s3.url } } : {}),
      snow: { url: snowflake!.url },
      staged: { url: `${snowflake!.url}&stage=raw.staging` },
      unknownStage: { url: `${snowflake!.url}&stage=raw.nothing` },
      reader: { url: snowflake!.urlOf('READER') },
    }));
  });
  afterAll(async () => {
    await rig?.close();
    await db?.close();
    await Promise.all([postgres?.stop(), s3?.stop(), snowflake?.stop()]);
  });

  function source(sql: string): void {
    const file = rig.database('source/app');
    file.exec(sql);
    file.close();
  }

  const rows = (sql: string): Promise<unknown[][]> => db.rows(sql);

  const one = (from: string, more: object = {}): object => ({
    ...{ target: 'snow', mode: 'append' },
    tables: [{ from: `app.${from}`, to: `Raw.${from}`, ...more }],
  });

  describe.skipIf(!s3 || !postgres)('from PostgreSQL by S3', () => {
    let pool: pg.Client;
    beforeAll(async () => {
      pool = new pg.Client(postgres!.url);
      await pool.connect();
      await pool.query('CREATE SCHEMA app');
    });
    afterAll(() => pool?.end());

    it('values of every type arrive', async () => {
      await pool.query(`CREATE TABLE app.hard (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12, 2), t text, v varchar(5),
          bin bytea, d date, tm time, ts timestamp, tz timestamptz, iv interval, u uuid, j jsonb, ta text[]);
        INSERT INTO app.hard VALUES
          (1, true, 32767, 9223372036854775807, 'NaN', 'Infinity', 'NaN', 1234567890.12, '', 'äöüß', '', '2024-02-29', '23:59:59.999999', '2024-03-15 12:00:00.000001',
            '2024-10-27 02:30:00.5+02', '1 year -2 days', '00000000-0000-0000-0000-000000000000', '{"a": [1, null]}', '{"a,b","say \\"hi\\"",NULL,""}'),
          (2, false, -32768, -9223372036854775808, '-Infinity', 5e-324, 123456789012345678901234567890.123456789012345678901234567890, -0.01, E'line\\nbreak\\r', ',',
            '\\x00ff5c22', '0001-01-01', '00:00', '9999-12-31 23:59:59', '1970-01-01 00:00+00', '00:00:00.000001', NULL, '"\\n"', '{}'),
          (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '\\.', '"', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', NULL),
          (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '🚚 名 é' || repeat('x', 100000), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
      const input = { ...one('hard'), source: 'pg', staging: 's3', target: 'staged' };
      expect(await rig.transfer(input)).toMatchObject({ rowsProcessed: 4, recordCountAfter: 4 });
      const texts = ['i2', 'i8', 'f4', 'f8', 'n', 'n2', 't', 'v', 'd', 'tm', 'ts', 'iv', 'u', 'ta'];
      const list = texts.map((name) => `CAST(${name} AS VARCHAR)`).join(', ');
      const there = await rows(
        `SELECT ${list}, b, HEX_ENCODE(bin), DATE_PART(EPOCH_MILLISECOND, tz), TO_JSON(j) FROM Raw.hard ORDER BY id`,
      );
      expect(there.map((row) => row.slice(0, texts.length))).toEqual([
        [
          ...['32767', '9223372036854775807', 'nan', 'inf', 'NaN', '1234567890.12', '', 'äöüß', '2024-02-29'],
          ...['23:59:59.999999', '2024-03-15 12:00:00.000001', '1 year -2 days'],
          ...['00000000-0000-0000-0000-000000000000', '{"a,b","say \\"hi\\"",NULL,""}'],
        ],
        [
          ...['-32768', '-9223372036854775808', '-inf', '5e-324'],
          ...['123456789012345678901234567890.123456789012345678901234567890', '-0.01', 'line\nbreak\r', ','],
          ...['0001-01-01', '00:00:00', '9999-12-31 23:59:59', '00:00:00.000001', null, '{}'],
        ],
        [null, null, null, null, null, null, '\\.', '"', null, null, null, null, null, null],
        [null, null, null, null, null, null, `🚚 名 é${'x'.repeat(100_000)}`, ...Array<null>(7).fill(null)],
      ]);
      expect(there.map((row) => row.slice(texts.length))).toEqual([
        [true, '', Date.parse('2024-10-27T00:30:00.5Z'), '{"a":[1,null]}'],
        [false, '00FF5C22', 0, '"\\n"'],
        [null, null, null, 'null'],
        [null, null, null, null],
      ]);
      const types = `SELECT column_name, data_type FROM information_schema.columns
        WHERE table_schema = 'RAW' AND table_name = 'HARD' AND column_name IN ('I8', 'N', 'N2', 'J', 'TZ', 'BATCHID', 'LOADEDAT') ORDER BY 1`;
      expect(await rows(types)).toEqual([
        ['BATCHID', 'NUMBER'],
        ['I8', 'NUMBER'],
        ['J', 'VARIANT'],
        ['LOADEDAT', 'TIMESTAMP_NTZ'],
        ['N', 'TEXT'],
        ['N2', 'NUMBER'],
        ['TZ', 'TIMESTAMP_TZ'],
      ]);
    });

    it('chunks of several tables arrive as one batch, which the audit and the ledger count alike', async () => {
      await pool.query(`CREATE TABLE app.big (id int PRIMARY KEY, note text);
        INSERT INTO app.big SELECT i, 'note ' || i FROM generate_series(1, 10000) i; ANALYZE app.big; CREATE TABLE app.empty (a int)`);
      const tables = [
        { from: 'app.big', to: 'Raw.Big', chunkRows: 1_000 },
        { from: 'app.empty', to: 'Sales.Empty' },
      ];
      const run = await rig.start('historicalTransfer', {
        ...{ source: 'pg', staging: 's3', target: 'staged', tables, mode: 'append' },
      });
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 10_000, recordCountAfter: 10_000 });
      const { batch, events } = await rig.batchOf(run);
      expect(batch).toMatchObject({ Status: 'Success', RowsProcessed: 10_000 });
      expect(events.map(({ Message }) => Message)).toContain(
        'source 10000, extracted 10000, staged 10000, loaded 10000, rejected 0, in target 10000 (rows before 0, after 10000)',
      );
      expect(await rows(`SELECT COUNT(DISTINCT id), MIN(BatchID), MAX(BatchID) FROM Raw.Big`)).toEqual([
        [10_000, batch.LogID, batch.LogID],
      ]);
      const [[chunks, sum]] = (await rows(
        `SELECT COUNT(*), SUM("ROWS") FROM Raw.BatchLoad WHERE TableName = 'RAW.BIG' AND RunID = '${run.runId}'`,
      )) as [[number, number]];
      expect(chunks).toBeGreaterThan(8);
      expect(sum).toBe(10_000);
      expect(await rows(`SELECT TableName, Chunk, "ROWS" FROM Sales.BatchLoad`)).toEqual([
        ['SALES.EMPTY', 0, 0],
      ]);
      const copies = (await snowflake!.statements())
        .map(({ text }) => text)
        .filter((text) => text.startsWith('COPY'));
      expect(copies.at(-1)).toMatch(
        /^COPY INTO BATCHTRAIL_INCOMING_\d.* FILES = \('[\da-f]{8}-00001\.csv\.gz'/s,
      );
    });

    it('is said at once when no stage is over the staging area', async () => {
      await pool.query('CREATE TABLE IF NOT EXISTS app.any (a int)');
      const input = { ...one('any'), source: 'pg', staging: 's3' };
      expect(await rig.refusal({ ...input, target: 'snow' })).toMatchObject({
        type: 'BadConfig',
        message: expect.stringContaining('create an external stage over it') as unknown,
      });
      expect((await rig.refusal({ ...input, target: 'unknownStage' })).message).toContain(
        'there is no stage RAW.NOTHING',
      );
    });
  });

  it('gets what is staged in a folder compressed, because PUT sends it as it is', async () => {
    source(`CREATE TABLE even (a TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO even SELECT 'same' FROM n`);
    await rig.transfer({ ...one('even'), cleanup: 'never' });
    const staging = join(rig.folder, 'staging');
    const [name] = readdirSync(staging, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /1\.Raw\.even.*\.gz$/.test(file),
    );
    expect(statSync(join(staging, name!)).size).toBeLessThan(500);
  });

  describe('tables', () => {
    it('of any names and of no rows', async () => {
      source(`CREATE TABLE "order ""x""; \\ --" ("select" INTEGER, "it's" TEXT, "名 前" TEXT, "a.b" TEXT);
        INSERT INTO "order ""x""; \\ --" VALUES (1, 'a', 'b', 'c'); CREATE TABLE none (a TEXT)`);
      const name = '[order "x"; \\ --]';
      const tables = [
        { from: `app.${name}`, to: `Raw.${name}` },
        { from: 'app.none', to: 'New.None' },
      ];
      expect(await rig.transfer({ tables, target: 'snow', mode: 'append' })).toMatchObject({
        rowsProcessed: 1,
      });
      expect(await rows(`SELECT "SELECT", "it's", "名 前", "a.b" FROM RAW."order ""x""; \\ --"`)).toEqual([
        [1, 'a', 'b', 'c'],
      ]);
      expect(await rows('SELECT COUNT(*) FROM New.None')).toEqual([[0]]);
    });

    it('have one column that is NULL', async () => {
      source(`CREATE TABLE lone (a TEXT); INSERT INTO lone VALUES (NULL), (''), ('\\.')`);
      expect(await rig.transfer(one('lone'))).toMatchObject({ rowsProcessed: 3 });
      expect(await rows('SELECT a FROM Raw.lone ORDER BY a NULLS FIRST')).toEqual([[null], [''], ['\\.']]);
    });
  });

  describe('modes', () => {
    it('append adds, replace takes the place, merge changes by key', async () => {
      source(
        `CREATE TABLE m (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO m VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
      );
      await rig.transfer(one('m'));
      expect(await rig.transfer(one('m'))).toMatchObject({ recordCountBefore: 3, recordCountAfter: 6 });
      expect(await rig.transfer({ ...one('m'), mode: 'replace' })).toMatchObject({ recordCountAfter: 3 });
      source(`DELETE FROM m WHERE id = 1; UPDATE m SET note = 'new'; INSERT INTO m VALUES (4, 'four')`);
      expect(await rig.transfer({ ...one('m'), mode: 'merge' })).toMatchObject({
        ...{ rowsProcessed: 3, recordCountBefore: 3, recordCountAfter: 4 },
      });
      expect(await rows('SELECT id, note FROM Raw.m ORDER BY id')).toEqual([
        [1, 'a'],
        [2, 'new'],
        [3, 'new'],
        [4, 'four'],
      ]);
      expect((await rig.refusal({ ...one('m', { key: ['note'] }), mode: 'merge' })).message).toContain(
        "1 of the source's rows have the same NOTE as another",
      );
      expect(await rows('SELECT COUNT(*) FROM Raw.m')).toEqual([[4]]);
    });

    it('replace does not touch rows that no batch loaded, and unlisted rows of the same number are refused', async () => {
      source('CREATE TABLE mine (id INTEGER PRIMARY KEY); INSERT INTO mine VALUES (1), (2)');
      await rig.transfer(one('mine'));
      const [[last]] = rig.rows('audit/Audit', 'SELECT max(LogID) FROM PipelineLog') as [[bigint]];
      await db.run(`INSERT INTO Raw.mine SELECT 9, ${last + 1n}, SYSDATE()`);
      expect(await rig.refusal(one('mine'))).toMatchObject({
        type: 'UnlistedRows',
        message: expect.stringContaining(`RAW.MINE holds 1 rows with BatchID ${last + 1n}`) as unknown,
      });
      expect((await rig.refusal({ ...one('mine'), mode: 'replace' })).type).toBe('UnlistedRows');
      await db.run(`UPDATE Raw.mine SET BatchID = ${last} WHERE id = 9`);
      expect((await rig.refusal({ ...one('mine'), mode: 'replace' })).type).toBe('UnlistedRows');
      expect(await rows('SELECT COUNT(*) FROM Raw.mine')).toEqual([[3]]);
    });
  });

  describe('rows that the target refuses', () => {
    it('end the batch, or are kept', async () => {
      source(
        `CREATE TABLE picky (id INTEGER, day DATE); INSERT INTO picky VALUES (1, '2024-01-01'), (NULL, '2024-01-02'), (3, 'say "soon"'), (4, NULL)`,
      );
      await db.run(
        'CREATE TABLE Raw.picky (id NUMBER(38,0) NOT NULL, day DATE, BatchID NUMBER(38,0), LoadedAt TIMESTAMP_NTZ)',
      );
      expect(await rig.refusal(one('picky'))).toMatchObject({
        type: 'RowsRejected',
        message: expect.stringContaining(
          'Raw.picky: the target refuses row 2 of chunk 0: ID must not be NULL',
        ) as unknown,
      });
      expect(await rows('SELECT COUNT(*) FROM Raw.picky')).toEqual([[0]]);
      expect(await rig.transfer({ ...one('picky'), allowRejected: true })).toMatchObject({
        ...{ rowsProcessed: 2, rowsRejected: 2, recordCountAfter: 2 },
      });
      expect(await rows('SELECT id FROM Raw.picky ORDER BY id')).toEqual([[1], [4]]);
      expect(
        await rows(
          `SELECT "ROW", Reason, Content FROM Raw.BatchRejected WHERE TableName = 'RAW.PICKY' ORDER BY 1`,
        ),
      ).toEqual([
        [2, 'ID must not be NULL', ',"2024-01-02"\n'],
        [3, `DAY is DATE and can't be say "soon"`, '"3","say ""soon"""\n'],
      ]);
    });
  });

  describe('columns', () => {
    it('are added; one that is gone or too narrow is named', async () => {
      source('CREATE TABLE grows (id INTEGER PRIMARY KEY); INSERT INTO grows VALUES (1)');
      await rig.transfer(one('grows'));
      source('ALTER TABLE grows ADD COLUMN more DECIMAL(5, 1) DEFAULT 1.5');
      await rig.transfer(one('grows'));
      expect(await rows('SELECT more FROM Raw.grows ORDER BY more')).toEqual([[1.5], [null]]);
      source('ALTER TABLE grows DROP COLUMN more; ALTER TABLE grows ADD COLUMN more DECIMAL(6, 2)');
      expect((await rig.refusal(one('grows'))).message).toContain(
        "the column MORE is decimal(5, 1), and the source's is decimal(6, 2)",
      );
      source('ALTER TABLE grows DROP COLUMN more');
      expect((await rig.refusal(one('grows'))).message).toContain(
        'has a column MORE, and the source has none',
      );
    });
  });

  it('a schema is made where there is none, and the right to do so is not asked for again', async () => {
    source('CREATE TABLE placed (a INTEGER); INSERT INTO placed VALUES (1)');
    const before = (await snowflake!.statements()).length;
    const made = async (): Promise<string[]> =>
      (await snowflake!.statements())
        .slice(before)
        .map(({ text }) => text)
        .filter((text) => text.startsWith('CREATE SCHEMA'));
    const input = { ...one('placed'), tables: [{ from: 'app.placed', to: 'Fresh.placed' }] };
    await rig.transfer(input);
    expect(await made()).toEqual(['CREATE SCHEMA IF NOT EXISTS "FRESH"']);
    await rig.transfer(input);
    expect(await made()).toHaveLength(1);
    expect(await rows('SELECT COUNT(*) FROM Fresh.placed')).toEqual([[2]]);
  });

  it('a role without the rights is told which it needs', async () => {
    source('CREATE TABLE forbidden (a INTEGER)');
    expect(await rig.refusal({ ...one('forbidden'), target: 'reader' })).toMatchObject({
      type: 'BadConfig',
      message: expect.stringContaining('Let a DBA grant this role what a transfer needs') as unknown,
    });
  });

  describe('a batch that loads while another does', () => {
    it('waits for it, and cancelling ends the wait within seconds', async () => {
      source('CREATE TABLE held (a INTEGER); INSERT INTO held VALUES (1)');
      await rig.transfer(one('held'));
      const other = await SnowflakeClient.open(snowflake!.url);
      await other.run('BEGIN');
      await other.run(`UPDATE Raw.BatchLock SET RunID = 'other' WHERE TableName = 'RAW.HELD'`);
      const waiting = async (): Promise<string> => {
        const before = (await snowflake!.statements()).length;
        const run = await rig.start('historicalTransfer', { ...OWN_PLACES, ...one('held') });
        await vi.waitUntil(
          async () =>
            (await snowflake!.statements())
              .slice(before)
              .some(({ text }) => /^UPDATE .*BATCHLOCK/.test(text)),
          { timeout: 20_000 },
        );
        return run.workflowId;
      };
      const cancelled = rig.client.workflow.getHandle(await waiting());
      const cancelledAt = Date.now();
      await cancelled.cancel();
      await expect(cancelled.result()).rejects.toMatchObject({
        cause: expect.any(CancelledFailure) as unknown,
      });
      expect(Date.now() - cancelledAt).toBeLessThan(6_000);
      const held = rig.client.workflow.getHandle(await waiting());
      expect(await rows('SELECT COUNT(*) FROM Raw.held')).toEqual([[1]]);
      await other.run('COMMIT');
      expect(await held.result()).toMatchObject({ recordCountBefore: 1, recordCountAfter: 2 });
      await other.close();
    });
  });
});
