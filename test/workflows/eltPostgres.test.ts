/** The pipeline `elt` with a real PostgreSQL as its target, as its source, and as both. */
import { CancelledFailure } from '@temporalio/common';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeNorthwind, northwindScripts } from '../../src/dev/northwind.js';
import { parseTableName } from '../../src/domain/table.js';
import { engine } from '../../src/engines/postgres/index.js';
import type { Warehouse } from '../../src/engines/warehouseContract.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { docBlocks } from '../support/docCommands.js';
import { stageRows } from '../support/stageRows.js';
import type { Run } from '../transfer/rig.js';
import { Rig } from '../transfer/rig.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'The pipeline elt on PostgreSQL');

/** The sample's facts, as text, whatever the engine's types are. */
const FACTS =
  'orderid, customername, cast(round(totalamount * 100) AS bigint), substr(cast(orderdate AS text), 1, 10)';
/** What one batch at a time may do in a test. */
const GATE = 4_711;

describe.skipIf(!server)('PostgreSQL', () => {
  let rig: Rig;
  let db: pg.Client;
  const { signal } = new AbortController();
  const opened: pg.Client[] = [];

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: server!.url,
      types: { getTypeParser: () => (text: unknown) => text },
    });
    await client.connect();
    opened.push(client);
    return client;
  }

  beforeAll(async () => {
    db = await connect();
    rig = await Rig.open((folder) => ({
      pg: { url: server!.url },
      northwind: { url: `sqlite:${join(folder, 'northwind')}` },
      lake: { url: `sqlite:${join(folder, 'lake')}`, scripts: northwindScripts },
    }));
    await makeNorthwind(join(rig.folder, 'northwind'));
    const example = docBlocks('docs/configuration.md', 'sql').find((block) =>
      block.includes('LANGUAGE plpgsql'),
    );
    await db.query(example!);
  });
  afterAll(async () => {
    await rig?.close();
    for (const client of opened) await client.end();
    await server?.stop();
  });

  const rows = async (sql: string): Promise<unknown[][]> =>
    (await db.query({ text: sql, rowMode: 'array' })).rows as unknown[][];

  const northwind = (input: object = {}): Promise<Run> =>
    rig.start('northwindSalesElt', { source: 'northwind', target: 'pg', ...input });

  /** The sample's pipeline with another transform. */
  const elt = (transform: string, more: object = {}): Promise<Run> =>
    rig.start('elt', {
      ...{ pipeline: 'Other', source: 'northwind', target: 'pg', transform, countTable: 'DWH.Fact_Sales' },
      tables: [{ from: 'dbo.Orders', to: 'Staging.stg_Orders' }],
      ...more,
    });

  const procedure = (name: string, body: string): Promise<unknown> =>
    db.query(`CREATE PROCEDURE dwh.${name}(batch bigint) LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$`);

  /** Until a transform is at work in the server, or waits there. */
  const untilCalled = (name: string): Promise<unknown> =>
    vi.waitUntil(async () => (await called(name)) > 0, { timeout: 60_000 });
  const called = async (name: string): Promise<number> =>
    (
      await rows(
        `SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CALL "dwh"."${name}"%'`,
      )
    ).length;

  it('loads the sample by the procedure of the documentation, with every fact of its batch', async () => {
    for (const before of [0, 830]) {
      const run = await northwind();
      expect(await rig.resultOf(run)).toEqual({ rowsProcessed: 830 });
      const { batch, events } = await rig.batchOf(run);
      expect(batch).toMatchObject({
        ...{ Status: 'Success', RowsProcessed: 830, RecordCountBefore: before, RecordCountAfter: 830 },
        CustomMessage: 'DWH.Fact_Sales has 830 rows, 830 of them of this batch',
      });
      expect(await rows('SELECT DISTINCT batchid FROM dwh.fact_sales')).toEqual([[String(batch.LogID)]]);
      const steps = events.filter(({ EventType }) => EventType === 'success');
      expect(new Set(steps.map(({ TargetSystem }) => TargetSystem))).toEqual(
        new Set([expect.stringMatching(/^postgres:\/\/127\.0\.0\.1:\d+\/postgres$/)]),
      );
      expect(JSON.stringify([batch, events])).not.toContain(new URL(server!.url).password);
    }
  });

  it('loads the same facts from SQLite, to SQLite, and within PostgreSQL', async () => {
    await rig.resultOf(await northwind({ target: 'lake' }));
    const expected = rig
      .rows('lake/DWH', `SELECT ${FACTS} FROM Fact_Sales ORDER BY OrderID`)
      .map((row) => (row as unknown[]).map(String));
    expect(expected).toHaveLength(830);
    const first = await rig.batchOf(await done(northwind()));
    const facts = `SELECT ${FACTS} FROM dwh.fact_sales ORDER BY orderid`;
    expect(await rows(facts)).toEqual(expected);

    await db.query(`CREATE SCHEMA dbo;
      CREATE TABLE dbo.orders AS SELECT orderid, customerid, employeeid, orderdate, shipcountry FROM staging.stg_orders WHERE batchid = ${first.batch.LogID};
      CREATE TABLE dbo."order details" AS SELECT orderid, productid, unitprice, quantity, discount FROM staging.stg_orderdetails WHERE batchid = ${first.batch.LogID}`);
    await db.query(
      'CREATE SCHEMA own; CREATE TABLE own.facts (LIKE dwh.fact_sales); TRUNCATE dwh.fact_sales',
    );
    const own = {
      source: 'pg',
      tables: NORTHWIND_TABLES.map(({ from, to }) => ({ from, to: to.replace('Staging', 'Own') })),
    };
    await procedure('load_own', LOAD_OWN);
    await done(elt('dwh.load_own', own));
    expect(await rows(facts)).toEqual(expected);
    await rig.resultOf(await northwind({ source: 'pg', target: 'lake' }));
    const back = rig.rows('lake/DWH', `SELECT ${FACTS} FROM Fact_Sales ORDER BY OrderID`);
    expect(back.map((row) => (row as unknown[]).map(String))).toEqual(expected);
  });

  it('shows a reader the old facts until the new ones are there', async () => {
    await done(northwind());
    const old = await rows('SELECT DISTINCT batchid FROM dwh.fact_sales');
    await procedure(
      'half',
      `DELETE FROM dwh.fact_sales; PERFORM pg_advisory_xact_lock(${GATE}); CALL dwh.transformsales(batch)`,
    );
    const gate = await connect();
    await gate.query(`SELECT pg_advisory_lock(${GATE})`);
    const run = await elt('DWH.Half', { tables: NORTHWIND_TABLES });
    await untilCalled('half');
    await vi.waitUntil(
      async () =>
        (await rows(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = ${GATE} AND NOT granted`))
          .length > 0,
    );
    expect(await rows('SELECT DISTINCT batchid FROM dwh.fact_sales')).toEqual(old);
    await gate.query(`SELECT pg_advisory_unlock(${GATE})`);
    await rig.resultOf(run);
    const { batch } = await rig.batchOf(run);
    expect(await rows('SELECT batchid, count(*) FROM dwh.fact_sales GROUP BY 1')).toEqual([
      [String(batch.LogID), '830'],
    ]);
  });

  it('loads two batches at once, each from its own staging rows', async () => {
    const runs = await Promise.all([northwind(), northwind()]);
    await Promise.all(runs.map((run) => rig.resultOf(run)));
    const ids = await Promise.all(runs.map(async (run) => String((await rig.batchOf(run)).batch.LogID)));
    expect(
      await rows(
        `SELECT batchid, count(*), count(DISTINCT orderid) FROM staging.stg_orders WHERE batchid IN (${ids.join(', ')}) GROUP BY 1 ORDER BY 1`,
      ),
    ).toEqual(ids.sort((a, b) => Number(a) - Number(b)).map((id) => [id, '830', '830']));
    // All facts are replaced, so that one of the two has them.
    const [[winner, facts]] = (await rows('SELECT batchid, count(*) FROM dwh.fact_sales GROUP BY 1')) as [
      [string, string],
    ];
    expect([ids.includes(winner), facts]).toEqual([true, '830']);
  });

  it('takes the place of what a failed batch had staged, when that is done again', async () => {
    const { batch } = await rig.batchOf(await done(northwind()));
    const replay = await rig.start('replayBatch', { batchId: batch.LogID, force: true });
    const outcome = (await rig.resultOf(replay)) as Run;
    const { batch: again } = await rig.batchOf(outcome);
    const staged = `FROM staging.batchload WHERE logid IN (${batch.LogID}, ${again.LogID})`;
    expect(await rows(`SELECT DISTINCT logid, staging ${staged}`)).toEqual([[String(again.LogID), 't']]);
    expect(await rows(`SELECT count(*) FROM staging.stg_orders WHERE batchid = ${batch.LogID}`)).toEqual([
      ['0'],
    ]);
  });

  it('says what the source has against it, and not that the target has it', async () => {
    await db.query(`CREATE TABLE dbo.numbers AS SELECT i FROM generate_series(1, 50000) i;
      CREATE VIEW dbo.broken AS SELECT i, 1 / (50000 - i) AS x FROM dbo.numbers`);
    // count(*) does not look at the column.
    const failure = await rig.failureOf(
      await elt('DWH.TransformSales', {
        source: 'pg',
        tables: [{ from: 'dbo.Broken', to: 'Staging.broken' }],
      }),
    );
    expect(failure.message).toBe('division by zero');
  });

  describe('a transform that fails', () => {
    let facts: unknown[][];
    beforeAll(async () => {
      await done(northwind());
      facts = await rows('SELECT * FROM dwh.fact_sales ORDER BY orderid');
      await db.query(`CREATE PROCEDURE dwh.two(a bigint, b text) LANGUAGE plpgsql AS 'BEGIN END';
        CREATE PROCEDURE dwh.small(a integer) LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION dwh.answer(a bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a'`);
      await procedure('lost', 'DELETE FROM dwh.fact_sales;\nINSERT INTO dwh.gone SELECT 1');
      await procedure('commits', 'DELETE FROM dwh.fact_sales; COMMIT');
    });

    const at = /postgres:\/\/127\.0\.0\.1:\d+\/postgres/.source;
    it.each([
      [
        'DWH.Nothing',
        'NotFound',
        `There is no procedure DWH\\.Nothing in ${at}\\. Create it with one parameter, the BatchID as a bigint, or correct its name`,
      ],
      ['DWH.["; DROP TABLE dwh.fact_sales; --]', 'NotFound', 'There is no procedure DWH\\.\\["; DROP TABLE'],
      [
        'DWH.Two',
        'BadInput',
        `DWH\\.Two of ${at} takes \\(.*a bigint, .*b text\\), and a transform gets the BatchID alone`,
      ],
      [
        'DWH.Small',
        'BadInput',
        `DWH\\.Small of ${at} takes \\(.*a integer\\), .* Give it that one parameter`,
      ],
      ['DWH.Answer', 'BadInput', `DWH\\.Answer of ${at} is a function`],
      [
        'DWH.Lost',
        'BadInput',
        `DWH\\.Lost of ${at}: relation "dwh\\.gone" does not exist \\(PL/pgSQL function .*lost\\(bigint\\) line 2 at SQL statement\\)\\. Mend`,
      ],
      [
        'DWH.Commits',
        'BadInput',
        `DWH\\.Commits of ${at}: invalid transaction termination .*take COMMIT and ROLLBACK out`,
      ],
    ])('ends the batch at once and leaves the facts: %s', async (transform, type, message) => {
      const run = await elt(transform);
      expect(await rig.failureOf(run)).toMatchObject({
        ...{ type, message: expect.stringMatching(message) as unknown },
      });
      const { batch, events } = await rig.batchOf(run);
      expect(batch).toMatchObject({
        Status: 'Error',
        ErrorMessage: expect.stringMatching(message) as unknown,
      });
      expect(events.filter(({ Attempt }) => Attempt !== null && Attempt > 1)).toEqual([]);
      expect(await rows('SELECT * FROM dwh.fact_sales ORDER BY orderid')).toEqual(facts);
    });

    it('is tried again where that may help', async () => {
      await db.query('CREATE SEQUENCE dwh.attempts');
      await procedure(
        'moody',
        `DELETE FROM dwh.fact_sales; IF nextval('dwh.attempts') < 3 THEN RAISE EXCEPTION 'no rates yet'; END IF; CALL dwh.transformsales(batch)`,
      );
      const run = await elt('DWH.Moody', { tables: NORTHWIND_TABLES });
      expect(await rig.resultOf(run)).toEqual({ rowsProcessed: 830 });
      const { batch, events } = await rig.batchOf(run);
      expect(batch).toMatchObject({ RetryStatus: 'recovered', RetryCount: 2 });
      expect(events.find(({ EventType }) => EventType === 'retry')).toMatchObject({
        StepName: 'runTransform',
        ErrorMessage: expect.stringMatching(/DWH\.Moody of .*: no rates yet/) as unknown,
      });
    });

    it('says which right is missing', async () => {
      await db.query(`CREATE ROLE poor LOGIN PASSWORD 'poor'; GRANT USAGE ON SCHEMA dwh TO poor;
        REVOKE EXECUTE ON PROCEDURE dwh.transformsales FROM PUBLIC`);
      const url = new URL(server!.url);
      Object.assign(url, { username: 'poor', password: 'poor' });
      const warehouse = await engine.openWarehouse({ url: url.href, signal });
      await expect(warehouse.transform(parseTableName('DWH.TransformSales', ''), 1)).rejects.toMatchObject({
        name: 'BadConfig',
        message: expect.stringMatching(
          /DWH\.TransformSales of .*permission denied for procedure transformsales\. Let a DBA grant this user EXECUTE/,
        ) as unknown,
      });
    });
  });

  it('ends the statement when it is cancelled', async () => {
    await procedure('long', 'DELETE FROM dwh.fact_sales; PERFORM pg_sleep(600)');
    const before = await rows('SELECT count(*) FROM dwh.fact_sales');
    const run = await elt('DWH.Long');
    await untilCalled('long');
    await rig.client.workflow.getHandle(run.workflowId).cancel();
    await expect(rig.resultOf(run)).rejects.toMatchObject({ cause: expect.any(CancelledFailure) as unknown });
    await vi.waitUntil(async () => (await called('long')) === 0, { timeout: 10_000 });
    expect((await rig.batchOf(run)).batch.Status).toBe('Cancelled');
    expect(await rows('SELECT count(*) FROM dwh.fact_sales')).toEqual(before);
  });

  describe('staging rows', () => {
    const owner = { storeID: 'store', logID: 1 };
    let warehouse: Warehouse;
    beforeAll(async () => {
      warehouse = await engine.openWarehouse({ url: server!.url, signal });
    });
    const of = async (table: string): Promise<unknown[][]> =>
      rows(`SELECT id, batchid FROM ${table} ORDER BY batchid, id`);

    it('go with their batch, and no others', async () => {
      await stageRows(warehouse, 'S1.a', owner, [1, 2]);
      await stageRows(warehouse, 'S2.[b "]', owner, [3]);
      await stageRows(warehouse, 'S1.a', { ...owner, logID: 2 }, [4]);
      await stageRows(warehouse, 'S1.a', { storeID: 'another', logID: 3 }, [5]);
      expect((await warehouse.staged('store')).sort()).toEqual([1, 2]);
      expect(await warehouse.unstage(owner)).toBe(3);
      expect(await of('s1.a')).toEqual([['4', '2'], ['5', '3']]); // prettier-ignore
      expect(await of('s2."b """')).toEqual([]);
      expect(await warehouse.staged('store')).toEqual([2]);
      expect(await warehouse.unstage(owner)).toBe(0);
    });

    it('stay where not all of them are known to be its own, and so does what a transfer has loaded', async () => {
      for (const [table, isStaging] of [
        ['S3.a', true],
        ['S3.b', false],
        ['S3.c', true],
      ] as const)
        // prettier-ignore
        await stageRows(warehouse, table, owner, [1], isStaging);
      await db.query('INSERT INTO s3.a (id, batchid) VALUES (9, 1); DROP TABLE s3.c');
      expect(await warehouse.unstage(owner)).toBe(0);
      expect([await of('s3.a'), await of('s3.b')]).toEqual([[['1', '1'], ['9', '1']], [['1', '1']]]); // prettier-ignore
    });

    it("stay where they may be another audit's with the same number", async () => {
      const own = { ...owner, logID: 11 };
      await stageRows(warehouse, 'S4.a', own, [1, 2]);
      await db.query('DELETE FROM s4.a');
      await stageRows(warehouse, 'S4.a', { ...own, storeID: 'another' }, [3, 4]);
      expect(await warehouse.unstage(own)).toBe(0);
      expect(await of('s4.a')).toEqual([['3', '11'], ['4', '11']]); // prettier-ignore
      await db.query("DELETE FROM s4.batchload WHERE storeid = 'another'");
      expect(await warehouse.unstage(own)).toBe(2);
    });

    it('are looked for in no table by its name alone', async () => {
      const own = { ...owner, logID: 12 };
      await stageRows(warehouse, 'S5.a', own, [1]);
      await stageRows(warehouse, 'S5.b', own, [2]);
      await db.query(`CREATE SCHEMA s6; CREATE TABLE s6.batchload (storeid text, logid bigint);
        DROP TABLE s5.a; CREATE TABLE s5.a (x int); INSERT INTO s5.a VALUES (1)`);
      expect(await warehouse.staged('store')).toContain(12);
      expect(await warehouse.unstage(own)).toBe(1);
      expect(await rows('SELECT x FROM s5.a')).toEqual([['1']]);
      expect(await warehouse.staged('store')).not.toContain(12);
    });
  });

  it('counts nothing where there is nothing yet, and needs the BatchID', async () => {
    const warehouse = await engine.openWarehouse({ url: server!.url, signal });
    const count = (table: string): Promise<unknown> => warehouse.count(parseTableName(table, ''), 1);
    expect(await count('dwh.nothing')).toEqual({ total: 0, ofBatch: 0 });
    await db.query('CREATE TABLE dwh.bare (a int)');
    await expect(count('dwh.bare')).rejects.toMatchObject({
      name: 'BadInput',
      message: expect.stringContaining('dwh.bare has no column BatchID') as unknown,
    });
  });

  async function done(started: Promise<Run>): Promise<Run> {
    const run = await started;
    await rig.resultOf(run);
    return run;
  }
});

const NORTHWIND_TABLES = [
  { from: 'dbo.Orders', to: 'Staging.stg_Orders' },
  { from: 'dbo.[Order Details]', to: 'Staging.stg_OrderDetails' },
];

const LOAD_OWN = `INSERT INTO dwh.fact_sales
  SELECT o.orderid, upper(o.customerid), sum(d.unitprice * d.quantity), o.orderdate, o.batchid
  FROM own.stg_orders o JOIN own.stg_orderdetails d USING (orderid, batchid) WHERE batchid = batch GROUP BY o.orderid, o.customerid, o.orderdate, o.batchid`;
