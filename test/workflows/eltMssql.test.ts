/** The pipeline `elt` with a SQL Server as its target and as its source, where TEST_MSSQL_URL names one. */
import { CancelledFailure } from '@temporalio/common';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeNorthwind, northwindScripts } from '../../src/dev/northwind.js';
import { parseTableName } from '../../src/domain/table.js';
import { engine } from '../../src/engines/mssql/index.js';
import type { Warehouse } from '../../src/engines/warehouseContract.js';
import { docBlocks } from '../support/docCommands.js';
import { stageRows } from '../support/stageRows.js';
import { MssqlServer, mssqlUrl } from '../transfer/mssqlServer.js';
import type { Run } from '../transfer/rig.js';
import { Rig } from '../transfer/rig.js';

const url = mssqlUrl('The pipeline elt on SQL Server');

describe.skipIf(url === undefined)('SQL Server', () => {
  let rig: Rig;
  let server: MssqlServer;
  let warehouse: Warehouse;
  let staging: string;
  let dwh: string;
  const procedures: string[] = [];

  beforeAll(async () => {
    server = await MssqlServer.open(url!);
    [staging, dwh] = [server.newSchema('Staging'), server.newSchema('DWH')];
    await server.run(`CREATE SCHEMA ${dwh}`);
    rig = await Rig.open((folder) => ({
      mssql: { url: url! },
      northwind: { url: `sqlite:${join(folder, 'northwind')}` },
      lake: { url: `sqlite:${join(folder, 'lake')}`, scripts: northwindScripts },
    }));
    await makeNorthwind(join(rig.folder, 'northwind'));
    warehouse = await engine.openWarehouse({ url: url!, signal: new AbortController().signal });
    const example = docBlocks('docs/configuration.md', 'sql').find((block) =>
      block.includes('@CurrentBatchID'),
    )!;
    const own = example.replaceAll('DWH.', `${dwh}.`).replaceAll('Staging.', `${staging}.`);
    for (const batch of own.split(/^GO$/m)) await server.run(batch);
    procedures.push('TransformSales');
  });
  afterAll(async () => {
    await rig?.close();
    for (const name of procedures) await server.run(`DROP PROCEDURE ${dwh}.${name}`);
    await server?.close();
  });

  async function procedure(name: string, body: string, parameters = '@CurrentBatchID BIGINT'): Promise<void> {
    await server.run(`CREATE PROCEDURE ${dwh}.${name} ${parameters} AS BEGIN ${body} END`);
    procedures.push(name);
  }

  const elt = (transform: string, more: object = {}): Promise<Run> =>
    rig.start('elt', {
      ...{ pipeline: 'Sales', source: 'northwind', target: 'mssql', transform: `${dwh}.${transform}` },
      tables: [
        { from: 'dbo.Orders', to: `${staging}.stg_Orders` },
        { from: 'dbo.[Order Details]', to: `${staging}.stg_OrderDetails` },
      ],
      countTable: `${dwh}.Fact_Sales`,
      ...more,
    });

  async function done(started: Promise<Run>): Promise<Run> {
    const run = await started;
    await rig.resultOf(run);
    return run;
  }

  const facts = async (): Promise<unknown[][]> =>
    server.rows(
      `SELECT OrderID, CustomerName, CAST(TotalAmount * 100 AS BIGINT), CONVERT(VARCHAR(10), OrderDate, 23) FROM ${dwh}.Fact_Sales ORDER BY OrderID`,
    );
  const asTexts = (table: unknown[]): string[][] => table.map((row) => (row as unknown[]).map(String));

  it('loads the sample by the procedure of the documentation, with every fact of its batch', async () => {
    for (const before of [0, 830]) {
      const run = await elt('TransformSales');
      expect(await rig.resultOf(run)).toEqual({ rowsProcessed: 830 });
      const { batch, events } = await rig.batchOf(run);
      expect(batch).toMatchObject({
        ...{ Status: 'Success', RowsProcessed: 830, RecordCountBefore: before, RecordCountAfter: 830 },
      });
      expect(asTexts(await server.rows(`SELECT DISTINCT BatchID FROM ${dwh}.Fact_Sales`))).toEqual([
        [String(batch.LogID)],
      ]);
      expect(JSON.stringify([batch, events])).not.toContain(new URL(url!).password);
    }
  });

  it('loads the same facts as SQLite, also from SQL Server', async () => {
    const toLake = { target: 'lake', transform: 'DWH.TransformSales', countTable: 'DWH.Fact_Sales' };
    const tables = [
      { from: 'dbo.Orders', to: 'Staging.stg_Orders' },
      { from: 'dbo.[Order Details]', to: 'Staging.stg_OrderDetails' },
    ];
    const inLake = (): string[][] =>
      asTexts(
        rig.rows(
          'lake/DWH',
          'SELECT OrderID, CustomerName, CAST(round(TotalAmount * 100) AS INTEGER), substr(OrderDate, 1, 10) FROM Fact_Sales ORDER BY OrderID',
        ),
      );
    await done(elt('', { ...toLake, tables }));
    const expected = inLake();
    const { batch } = await rig.batchOf(await done(elt('TransformSales')));
    expect(asTexts(await facts())).toEqual(expected);
    const source = server.newSchema('Shop');
    await server.run(`CREATE SCHEMA ${source}`);
    const ofBatch = `WHERE BatchID = ${batch.LogID}`;
    await server.run(
      `SELECT OrderID, CustomerID, EmployeeID, OrderDate, ShipCountry INTO ${source}.Orders FROM ${staging}.stg_Orders ${ofBatch}`,
    );
    await server.run(
      `SELECT OrderID, ProductID, UnitPrice, Quantity, Discount INTO ${source}."Order Details" FROM ${staging}.stg_OrderDetails ${ofBatch}`,
    );
    const back = tables.map(({ from, to }) => ({ from: from.replace('dbo', source), to }));
    await done(elt('', { ...toLake, source: 'mssql', tables: back }));
    expect(inLake()).toEqual(expected);
  });

  it('loads two batches at once, each from its own staging rows', async () => {
    const runs = await Promise.all([elt('TransformSales'), elt('TransformSales')]);
    await Promise.all(runs.map((run) => rig.resultOf(run)));
    for (const run of runs) {
      const { batch } = await rig.batchOf(run);
      expect(
        asTexts(
          await server.rows(
            `SELECT COUNT(*), COUNT(DISTINCT OrderID) FROM ${staging}.stg_Orders WHERE BatchID = ${batch.LogID}`,
          ),
        ),
      ).toEqual([['830', '830']]);
    }
  });

  describe('a transform that fails', () => {
    let before: unknown[][];
    beforeAll(async () => {
      await done(elt('TransformSales'));
      before = await facts();
      const remove = `DELETE FROM ${dwh}.Fact_Sales;`;
      await procedure('Other', remove, '@Since DATETIME2');
      await procedure('Bare', remove, '');
      await procedure('Lost', `${remove} INSERT INTO ${dwh}.Gone SELECT 1;`);
      await procedure('Rolls', `${remove} ROLLBACK;`);
    });

    it.each([
      ['Nothing', 'NotFound', /There is no procedure DWH_\w+\.Nothing in mssql:.* or correct its name/],
      ['["; DROP TABLE x; --]', 'NotFound', /There is no procedure/],
      ['Other', 'BadInput', /\.Other of mssql:.*A transform gets one parameter: @CurrentBatchID BIGINT/],
      ['Bare', 'BadInput', /\.Bare of mssql:.*A transform gets one parameter: @CurrentBatchID BIGINT/],
      ['Lost', 'BadInput', /\.Lost of mssql:.*Mend the procedure, or make what it needs/],
      ['Rolls', 'BadInput', /\.Rolls of mssql:.*take COMMIT and ROLLBACK out/],
    ])('ends the batch at once and leaves the facts: %s', async (transform, type, message) => {
      const run = await elt(transform);
      expect(await rig.failureOf(run)).toMatchObject({
        ...{ type, message: expect.stringMatching(message) as unknown },
      });
      const { events } = await rig.batchOf(run);
      expect(events.filter(({ Attempt }) => Attempt !== null && Attempt > 1)).toEqual([]);
      expect(await facts()).toEqual(before);
    });
  });

  it('ends the statement when it is cancelled', async () => {
    const before = await facts();
    await procedure('Waits', `DELETE FROM ${dwh}.Fact_Sales; EXEC ${dwh}.TransformSales @CurrentBatchID;`);
    const held = await server.hold('x');
    // The procedure waits for this lock.
    await held.run(
      `EXEC sp_getapplock @Resource = N'${dwh}.Fact_Sales', @LockMode = 'Exclusive', @LockOwner = 'Transaction'`,
    );
    try {
      const run = await elt('Waits');
      await rig.untilAt('runTransform', run);
      await rig.client.workflow.getHandle(run.workflowId).cancel();
      await expect(rig.resultOf(run)).rejects.toMatchObject({
        cause: expect.any(CancelledFailure) as unknown,
      });
      expect((await rig.batchOf(run)).batch.Status).toBe('Cancelled');
    } finally {
      await held.release();
    }
    expect(await facts()).toEqual(before);
  });

  it('keeps staging rows until their batch is purged', async () => {
    const shared = server.newSchema('Shared');
    await server.run(`CREATE SCHEMA ${shared}`);
    const owner = { storeID: 'store', logID: 1 };
    await stageRows(warehouse, `${shared}.a`, owner, [1, 2]);
    await stageRows(warehouse, `${shared}.a`, { ...owner, logID: 2 }, [3]);
    await stageRows(warehouse, `${shared}.b`, owner, [4], false);
    expect((await warehouse.staged('store')).sort()).toEqual([1, 2]);
    expect(await warehouse.unstage(owner)).toBe(2);
    const left = `SELECT ID, BatchID FROM ${shared}.a UNION ALL SELECT ID, BatchID FROM ${shared}.b ORDER BY ID`;
    expect(asTexts(await server.rows(left))).toEqual([
      ['3', '2'],
      ['4', '1'],
    ]);
  });

  it('counts nothing where there is nothing yet', async () => {
    expect(await warehouse.count(parseTableName(`${dwh}.Nothing`, ''), 1)).toEqual({ total: 0, ofBatch: 0 });
  });
});
