import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeNorthwind, northwindScripts } from '../../src/dev/northwind.js';
import { NON_RETRYABLE_ERRORS } from '../../src/domain/errors.js';
import { parseTableName } from '../../src/domain/table.js';
import type { Warehouse } from '../../src/engines/warehouseContract.js';
import { openWarehouse } from '../../src/engines/sqlite/warehouse.js';
import { stageRows } from '../support/stageRows.js';

const { signal } = new AbortController();
const table = (text: string) => parseTableName(text, 'test');

let folder: string;
let scripts: string;
let opened: Array<{ close(): unknown }>;

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'batchtrail-')), 'northwind');
  scripts = join(folder, 'scripts');
  mkdirSync(scripts, { recursive: true });
  opened = [];
});

afterEach(async () => {
  for (const one of opened) await one.close();
  rmSync(join(folder, '..'), { recursive: true });
});

async function warehouse(from: string | undefined = scripts): Promise<Warehouse> {
  const one = await openWarehouse({ url: `sqlite:${folder}`, scripts: from, signal });
  opened.push(one);
  return one;
}

function database(schema: string): Database.Database {
  const db = new Database(join(folder, `${schema}.db`), { timeout: 0 });
  opened.push(db);
  return db;
}

function all(schema: string, sql: string): unknown[] {
  return database(schema).prepare(sql).raw().safeIntegers().all();
}

function writeScript(name: string, sql: string): void {
  writeFileSync(join(scripts, `${name}.sql`), sql);
}

/** The sample up to and without its transform. */
function stageNorthwind(batchID: number): void {
  const db = database('Staging');
  db.prepare('ATTACH ? AS dbo').run(join(folder, 'dbo.db'));
  for (const [from, to] of [
    ['Orders', 'stg_Orders'],
    ['Order Details', 'stg_OrderDetails'],
  ]) {
    db.exec(`CREATE TABLE IF NOT EXISTS ${to} AS SELECT *, 0 AS BatchID FROM dbo.[${from}] WHERE false;
      INSERT INTO ${to} SELECT *, ${batchID} FROM dbo.[${from}]`);
  }
}

/** A staging table with one row. */
function stageRow(): void {
  database('Staging').exec("CREATE TABLE s (Name, BatchID); INSERT INTO s VALUES ('a', 1)");
}

describe('the label', () => {
  it('is short and without a path', async () => {
    expect((await warehouse()).label).toBe('sqlite:northwind');
  });
});

describe('staging rows', () => {
  const owner = { storeID: 'store', logID: 1 };
  const rows = (name: string): unknown[] =>
    all('Staging', `SELECT ID, BatchID FROM ${name} ORDER BY BatchID, ID`);

  it('go with their batch, and no others', async () => {
    const dwh = await warehouse();
    await stageRows(dwh, 'Staging.a', owner, [1, 2]);
    await stageRows(dwh, 'Staging.[b ]]"]', owner, [3]);
    await stageRows(dwh, 'Staging.a', { ...owner, logID: 2 }, [4]);
    await stageRows(dwh, 'Staging.a', { storeID: 'another', logID: 3 }, [5]);
    expect((await dwh.staged('store')).sort()).toEqual([1, 2]);
    expect(await dwh.unstage(owner)).toBe(3);
    expect(rows('a')).toEqual([[4n, 2n], [5n, 3n]]); // prettier-ignore
    expect(rows('"b ]"""')).toEqual([]);
    expect(await dwh.staged('store')).toEqual([2]);
    expect(await dwh.unstage(owner)).toBe(0);
  });

  it('stay where not all of them are known to be its own, and so does what a transfer has loaded', async () => {
    const dwh = await warehouse();
    await stageRows(dwh, 'Staging.a', owner, [1]);
    database('Staging').exec("INSERT INTO a VALUES (9, 1, '2026-01-01')");
    await stageRows(dwh, 'Staging.b', owner, [2], false);
    await stageRows(dwh, 'Staging.c', owner, [3]);
    database('Staging').exec('DROP TABLE c');
    expect(await dwh.unstage(owner)).toBe(0);
    expect([rows('a'), rows('b')]).toEqual([[[1n, 1n], [9n, 1n]], [[2n, 1n]]]); // prettier-ignore
  });
});

describe('a purge', () => {
  const owner = { storeID: 'store', logID: 1 };

  it("leaves rows that may be another audit's with the same number", async () => {
    const dwh = await warehouse();
    await stageRows(dwh, 'Staging.a', owner, [1, 2]);
    const emptied = database('Staging');
    emptied.exec('DELETE FROM a');
    await stageRows(dwh, 'Staging.a', { ...owner, storeID: 'another' }, [3, 4]);
    expect(await dwh.unstage(owner)).toBe(0);
    expect(all('Staging', 'SELECT ID FROM a')).toEqual([[3n], [4n]]);
    emptied.exec("DELETE FROM BatchLoad WHERE StoreID = 'another'");
    expect(await dwh.unstage(owner)).toBe(2);
  });

  it('takes no file, and no table, for a ledger or a staging table by its name alone', async () => {
    const dwh = await warehouse();
    writeFileSync(join(folder, 'Notes.db'), 'this is not a database, and longer than the head of one');
    database('Shop').exec('CREATE TABLE BatchLoad (StoreID, LogID)');
    await stageRows(dwh, 'Staging.a', owner, [1]);
    await stageRows(dwh, 'Staging.b', owner, [2]);
    database('Staging').exec('DROP TABLE a; CREATE TABLE a (x); INSERT INTO a VALUES (1)');
    expect(await dwh.staged('store')).toEqual([1]);
    expect(await dwh.unstage(owner)).toBe(1);
    expect(all('Staging', 'SELECT x FROM a')).toEqual([[1n]]);
    expect(await dwh.staged('store')).toEqual([]);
  });
});

describe('a transform', () => {
  it('loads the sample as the sample says', async () => {
    await makeNorthwind(folder);
    stageNorthwind(1);
    stageNorthwind(2);
    const dwh = await warehouse(northwindScripts);
    await dwh.transform(table('DWH.TransformSales'), 1);
    await dwh.transform(table('DWH.TransformSales'), 2);
    expect(await dwh.count(table('DWH.Fact_Sales'), 2)).toEqual({ total: 830, ofBatch: 830 });
    const source = database('dbo');
    const orders = source.prepare('SELECT * FROM Orders').all() as Array<Record<string, never>>;
    const lines = source.prepare('SELECT * FROM [Order Details]').all() as Array<Record<string, number>>;
    const cents = new Map<unknown, number>();
    for (const { OrderID, UnitPrice, Quantity } of lines) {
      cents.set(OrderID, (cents.get(OrderID) ?? 0) + Math.round(UnitPrice! * 100) * Quantity!);
    }
    const expected = orders.map(({ OrderID, CustomerID, OrderDate }) => ({
      OrderID,
      CustomerName: String(CustomerID).toUpperCase(),
      TotalAmount: cents.get(OrderID)! / 100,
      OrderDate,
      BatchID: 2,
    }));
    expect(database('DWH').prepare('SELECT * FROM Fact_Sales ORDER BY OrderID').all()).toEqual(expected);
    expect(orders.some(({ CustomerID }) => CustomerID !== String(CustomerID).toUpperCase())).toBe(true);
  });

  it('binds the BatchID as a whole number, in the statements that use it', async () => {
    writeScript(
      'DWH.Load',
      `CREATE TABLE DWH.t (a); SELECT 'unused'; INSERT INTO DWH.t SELECT @CurrentBatchID;
       INSERT INTO DWH.t VALUES ('batch ' || @CurrentBatchID), ('@CurrentBatchID')`,
    );
    await (await warehouse()).transform(table('DWH.Load'), 7);
    expect(all('DWH', 'SELECT a FROM t')).toEqual([[7n], ['batch 7'], ['@CurrentBatchID']]);
  });

  it('is undone whole when one statement fails, and says which', async () => {
    writeScript('DWH.Load', 'CREATE TABLE DWH.t (a PRIMARY KEY);\nINSERT INTO DWH.t VALUES (1);');
    await (await warehouse()).transform(table('DWH.Load'), 1);
    writeScript('DWH.Load', 'DELETE FROM DWH.t;\n\n-- oops\nINSERT INTO DWH.t SELECT a FROM Staging.gone');
    await expect((await warehouse()).transform(table('DWH.Load'), 2)).rejects.toMatchObject({
      name: 'BadInput',
      message: 'DWH.Load.sql, line 4: no such table: Staging.gone',
    });
    writeScript('DWH.Load', 'DELETE FROM DWH.t; INSERT INTO DWH.t VALUES (2), (2)');
    await expect((await warehouse()).transform(table('DWH.Load'), 2)).rejects.toMatchObject({
      name: 'Error',
      message: 'DWH.Load.sql, line 1: UNIQUE constraint failed: t.a',
    });
    expect(all('DWH', 'SELECT a FROM t')).toEqual([[1n]]);
  });

  it.each([
    [
      'another parameter',
      'SELECT @Since',
      'BadInput',
      /line 1: Missing named parameter "Since"\. .*@CurrentBatchID/,
    ],
    ['a COMMIT', 'SELECT 1;\nCOMMIT', 'BadInput', /DWH\.Load\.sql, line 2: COMMIT is not possible/],
    ['nothing', '-- later', 'BadInput', /DWH\.Load\.sql holds no statement/],
  ])('is refused with %s in it', async (_, sql, name, message) => {
    writeScript('DWH.Load', sql);
    const refused = (await warehouse()).transform(table('DWH.Load'), 1);
    await expect(refused).rejects.toMatchObject({ name, message: expect.stringMatching(message) as unknown });
  });

  it('names the file that is missing', async () => {
    await expect((await warehouse()).transform(table('DWH.Nothing'), 1)).rejects.toMatchObject({
      name: 'NotFound',
      message: `There is no file ${join(scripts, 'DWH.Nothing.sql')}. Put the transform's SQL there, or correct its name`,
    });
    const without = await openWarehouse({ url: `sqlite:${folder}`, signal });
    await expect(without.transform(table('DWH.Load'), 1)).rejects.toMatchObject({
      name: 'BadConfig',
      message:
        'sqlite:northwind has no stored procedures and no folder of scripts. Set "scripts" of this connection to the folder that holds DWH.Load.sql',
    });
    await expect((await warehouse()).transform(table('DWH.[../x]'), 1)).rejects.toMatchObject({
      name: 'BadInput',
    });
    await expect((await warehouse()).transform(table('AUDIT.Load'), 1)).rejects.toMatchObject({
      name: 'BadInput',
    });
  });

  it('reads and writes the schemas that its script names, whatever their case', async () => {
    database('Mart').exec('CREATE TABLE t (a)');
    database('dwh').exec('CREATE TABLE t (a)');
    for (let unused = 0; unused < 12; unused++) database(`Unused${unused}`).exec('CREATE TABLE t (a)');
    stageRow();
    writeScript(
      'DWH.Load',
      'INSERT INTO mart.t SELECT Name FROM STAGING.s; INSERT INTO DWH.t SELECT * FROM Mart.t',
    );
    await (await warehouse()).transform(table('DWH.Load'), 1);
    expect(all('dwh', 'SELECT a FROM t')).toEqual([['a']]);
  });

  it('holds no lock on the audit, which the worker writes meanwhile', async () => {
    const audit = database('Audit');
    audit.exec('CREATE TABLE PipelineLog (a)');
    writeScript('DWH.Load', `CREATE TABLE DWH.t (a); ${'INSERT INTO DWH.t VALUES (1);'.repeat(50)} -- Audit`);
    let locked = false;
    const transform = (await warehouse()).transform(table('DWH.Load'), 1);
    void transform.finally(() => (locked = true));
    let writes = 0;
    while (!locked) {
      audit.exec('INSERT INTO PipelineLog VALUES (1)');
      writes++;
      await new Promise(setImmediate);
    }
    await transform;
    expect(writes).toBeGreaterThan(10);
  });

  it('does not wait for another batch that loads staging meanwhile', async () => {
    stageRow();
    writeScript('DWH.Load', 'CREATE TABLE DWH.t (a); INSERT INTO DWH.t SELECT Name FROM Staging.s');
    database('Staging').exec('BEGIN IMMEDIATE');
    await (await warehouse()).transform(table('DWH.Load'), 1);
    expect(all('DWH', 'SELECT a FROM t')).toEqual([['a']]);
  });

  it('waits a moment for a lock', async () => {
    writeScript('DWH.Load', 'CREATE TABLE IF NOT EXISTS DWH.t (a); INSERT INTO DWH.t VALUES (1)');
    await (await warehouse()).transform(table('DWH.Load'), 1);
    const other = database('DWH');
    other.exec('BEGIN IMMEDIATE');
    const transform = (await warehouse()).transform(table('DWH.Load'), 2);
    await delay(300);
    other.exec('ROLLBACK');
    await transform;
    expect(all('DWH', 'SELECT a FROM t')).toHaveLength(2);
  });

  it.each(['WAL', 'DELETE'])(
    'fails on a lock that lasts (%s), in a way that is tried again',
    async (mode) => {
      writeScript('DWH.Load', 'DELETE FROM DWH.t; INSERT INTO DWH.t SELECT Name FROM Staging.s');
      stageRow();
      const other = database('DWH');
      other.pragma(`journal_mode = ${mode}`);
      other.exec('CREATE TABLE t (a); BEGIN IMMEDIATE');
      const failure = await (
        await warehouse()
      )
        .transform(table('DWH.Load'), 1)
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({
        message:
          'sqlite:northwind: DWH is locked by another connection. If this lasts, look for a program that keeps a transaction open on it',
      });
      expect(NON_RETRYABLE_ERRORS).not.toContain((failure as Error).name);
      other.exec('ROLLBACK');
      await (await warehouse()).transform(table('DWH.Load'), 1);
      expect(all('DWH', 'SELECT a FROM t')).toEqual([['a']]);
    },
  );

  it('shows a reader the old facts or the new ones, and never none', async () => {
    await makeNorthwind(folder, { orders: 20_000 });
    stageNorthwind(1);
    stageNorthwind(2);
    const dwh = await warehouse(northwindScripts);
    await dwh.transform(table('DWH.TransformSales'), 1);
    const reader = await watchFacts(join(folder, 'DWH.db'));
    await dwh.transform(table('DWH.TransformSales'), 2);
    const { states, looks } = await reader.stop();
    expect(states).toEqual(['20000 rows of 1 to 1', '20000 rows of 2 to 2']);
    expect(looks).toBeGreaterThan(5);
  });
});

describe('counting', () => {
  it('is 0 for what is not there yet', async () => {
    const dwh = await warehouse();
    expect(await dwh.count(table('DWH.Fact_Sales'), 1)).toEqual({ total: 0, ofBatch: 0 });
    database('DWH').exec('CREATE TABLE other (a)');
    expect(await dwh.count(table('DWH.Fact_Sales'), 1)).toEqual({ total: 0, ofBatch: 0 });
  });

  it('needs the BatchID', async () => {
    database('DWH').exec('CREATE TABLE Fact_Sales (a); INSERT INTO Fact_Sales VALUES (1)');
    await expect((await warehouse()).count(table('DWH.Fact_Sales'), 1)).rejects.toMatchObject({
      name: 'BadInput',
      message:
        "DWH.Fact_Sales has no column BatchID, so its rows can't be counted by batch. Add the column and let the transform fill it with the BatchID that it gets",
    });
  });
});

describe('the Northwind sample', () => {
  it('is the same for a seed, another for another, and can be made again', async () => {
    const orders = (): unknown[] => [
      ...all('dbo', 'SELECT * FROM Orders'),
      ...all('dbo', 'SELECT * FROM [Order Details]'),
    ];
    await makeNorthwind(folder, { orders: 50, seed: 3 });
    const first = orders();
    await makeNorthwind(folder, { orders: 50, seed: 4 });
    const second = orders();
    await makeNorthwind(folder, { orders: 50, seed: 3 });
    expect(orders()).toEqual(first);
    expect(second).not.toEqual(first);
    expect(all('dbo', 'SELECT count(*) FROM Orders')).toEqual([[50n]]);
  });
});

/** Looks at the facts over and over, from a thread of its own, so that it sees every moment of a transform. */
async function watchFacts(file: string) {
  const watch = `
    const { parentPort, workerData } = require('node:worker_threads');
    const Database = require(workerData.driver);
    const look = new Database(workerData.file, { readonly: true })
      .prepare("SELECT count(*) || ' rows of ' || min(BatchID) || ' to ' || max(BatchID) FROM Fact_Sales").pluck();
    const states = new Set();
    let looks = 0;
    let stopping = false;
    parentPort.on('message', () => (stopping = true));
    const again = () => {
      states.add(String(look.get()));
      looks++;
      if (looks === 1) parentPort.postMessage('watching');
      if (!stopping) return setImmediate(again);
      parentPort.postMessage({ states: [...states], looks });
      parentPort.close();
    };
    again();`;
  const driver = createRequire(import.meta.url).resolve('better-sqlite3');
  const thread = new Worker(watch, { eval: true, workerData: { file, driver } });
  const answer = <T>() =>
    new Promise<T>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
  await answer();
  return {
    stop() {
      const seen = answer<{ states: string[]; looks: number }>();
      thread.postMessage('stop');
      return seen;
    },
  };
}
