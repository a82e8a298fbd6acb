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
import type { SqlValue } from '../../src/domain/table.js';
import { parseTableName } from '../../src/domain/table.js';
import type { TableStream, Warehouse } from '../../src/engines/warehouseContract.js';
import { openWarehouse } from '../../src/engines/sqlite/warehouse.js';

const never = new AbortController().signal;
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
  const one = await openWarehouse({ url: `sqlite:${folder}`, scripts: from });
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

const COLUMNS = [
  { name: 'ID', type: 'INTEGER' },
  { name: 'Name', type: 'NVARCHAR(20)' },
];

function streamOf(
  rows: readonly SqlValue[][],
  columns: TableStream['columns'] = COLUMNS,
  onChunk?: () => void,
): TableStream {
  async function* chunks() {
    for (const row of rows) {
      yield [row];
      await Promise.resolve(onChunk?.());
    }
  }
  return { columns, chunks: chunks() };
}

const stage = async (
  to: string,
  batchID: number,
  rows: TableStream,
  onProgress: (rows: number) => void = () => undefined,
) => (await warehouse()).stage(table(to), { storeID: 'store', logID: batchID }, rows, onProgress);

async function copy(from: string, to: string, batchID: number): Promise<number> {
  return stage(to, batchID, await (await warehouse()).read(table(from), never));
}

/** Runs the sample up to and without its transform. */
async function stageNorthwind(batchID: number): Promise<void> {
  await copy('dbo.Orders', 'Staging.stg_Orders', batchID);
  await copy('dbo.[Order Details]', 'Staging.stg_OrderDetails', batchID);
}

describe('the label', () => {
  it('is short and without a path', async () => {
    expect((await warehouse()).label).toBe('sqlite:northwind');
  });
});

describe('extracting', () => {
  it('copies every kind of value unchanged and stamps it', async () => {
    const db = database('dbo');
    db.exec(
      'CREATE TABLE [Order Details] (i INTEGER, r REAL, t TEXT, b BLOB, d DATETIME, n DECIMAL(10, 2), x)',
    );
    const insert = db.prepare('INSERT INTO [Order Details] VALUES (?, ?, ?, ?, ?, ?, ?)');
    const blob = Buffer.from([0, 255, 1]);
    insert.run(9_007_199_254_740_993n, 0.1, 'Größe 注文 🚚 \0 end', blob, '2024-02-29', 12.5, 5);
    insert.run(-(2n ** 63n), 1e300, '', Buffer.alloc(0), null, 3n, 'text');
    expect(await copy('dbo.[Order Details]', 'Staging.stg_OrderDetails', 7)).toBe(2);

    const everything =
      'SELECT *, typeof(i), typeof(r), typeof(t), typeof(b), typeof(d), typeof(n), typeof(x) FROM';
    const source = all('dbo', `${everything} [Order Details] ORDER BY i`) as unknown[][];
    const staged = all('Staging', `${everything} stg_OrderDetails ORDER BY i`) as unknown[][];
    expect(staged).toEqual(source.map((row) => [...row.slice(0, 7), 7n, ...row.slice(7)]));
    expect(source[1]).toEqual(expect.arrayContaining([9_007_199_254_740_993n, 'Größe 注文 🚚 \0 end', blob]));
    const columns = all('Staging', `SELECT name, type FROM pragma_table_info('stg_OrderDetails')`);
    expect(columns).toContainEqual(['n', 'DECIMAL(10, 2)']);
    expect(columns).toContainEqual(['BatchID', 'INTEGER']);
    expect(all('Staging', `SELECT name FROM pragma_index_info('IX_stg_OrderDetails_BatchID')`)).toEqual([
      ['BatchID'],
    ]);
  });

  it('takes names and types that look like SQL as what they are', async () => {
    const evil = 'Orders]; DROP TABLE Orders; --';
    const db = database('dbo');
    db.exec('CREATE TABLE Orders (a); INSERT INTO Orders VALUES (1)');
    db.exec(`CREATE TABLE "${evil}" ("x"", y); --" "INTEGER); DROP TABLE Orders; --", "it's" TEXT)`);
    db.exec(`INSERT INTO "${evil}" VALUES (1, 'one')`);
    const name = `[${evil.replaceAll(']', ']]')}]`;
    expect(await copy(`dbo.${name}`, `Staging.${name}`, 1)).toBe(1);
    expect(await (await warehouse()).count(table(`Staging.${name}`), 1)).toEqual({ total: 1, ofBatch: 1 });
    expect(all('Staging', `SELECT "x"", y); --", "it's" FROM "${evil}"`)).toEqual([[1n, 'one']]);
    expect(all('dbo', 'SELECT * FROM Orders')).toEqual([[1n]]);
  });

  it('replaces what an earlier attempt of the batch left, and no other batch', async () => {
    await stage('Staging.t', 1, streamOf([[1, 'other batch']]));
    await stage('Staging.t', 2, streamOf([[1, 'a'], [2, 'b'], [3, 'c']])); // prettier-ignore
    await stage('Staging.t', 2, streamOf([[1, 'A'], [4, 'd']])); // prettier-ignore
    expect(all('Staging', 'SELECT Name, BatchID FROM t ORDER BY BatchID, ID')).toEqual([
      ['other batch', 1n],
      ['A', 2n],
      ['d', 2n],
    ]);
  });

  it('keeps the earlier rows when an attempt is stopped', async () => {
    await stage('Staging.t', 2, streamOf([[1, 'a']]));
    const stop = (rows: number): void => {
      if (rows === 2) throw new Error('stopped');
    };
    await expect(stage('Staging.t', 2, streamOf([[5, 'x'], [6, 'y'], [7, 'z']]), stop)).rejects.toThrow('stopped'); // prettier-ignore
    expect(all('Staging', 'SELECT Name FROM t')).toEqual([['a']]);
    await stage('Staging.t', 2, streamOf([[8, 'again']]));
    expect(all('Staging', 'SELECT Name FROM t')).toEqual([['again']]);
  });

  it('stops between chunks when the signal says so', async () => {
    await makeNorthwind(folder, { orders: 5_000 });
    const stop = new AbortController();
    const rows = await (await warehouse()).read(table('dbo.Orders'), stop.signal);
    const seen: number[] = [];
    const staging = stage('Staging.t', 1, rows, (count) => {
      seen.push(count);
      if (count > 0) stop.abort(new Error('cancelled'));
    });
    await expect(staging).rejects.toThrow('cancelled');
    expect(seen).toEqual([0, 1_000]);
    expect(await (await warehouse()).count(table('Staging.t'), 1)).toEqual({ total: 0, ofBatch: 0 });
  });

  it('follows the source: new columns are added, missing ones stay NULL', async () => {
    await stage('Staging.t', 1, streamOf([[1, 'a']]));
    await stage('Staging.t', 2, streamOf([[2, 'x']], [{ name: 'id', type: '' }, { name: 'Größe', type: 'TEXT' }])); // prettier-ignore
    expect(all('Staging', 'SELECT ID, Name, Größe, BatchID FROM t ORDER BY ID')).toEqual([
      [1n, 'a', null, 1n],
      [2n, null, 'x', 2n],
    ]);
  });

  it('lets two tables of one file wait for each other, and one batch read while the other writes', async () => {
    const stages = [1, 2, 3].map(
      (batchID) =>
      stage(`Staging.t${batchID}`, batchID, streamOf([[1, 'a'], [2, 'b']], COLUMNS, () => delay(20) as never)), // prettier-ignore
    );
    expect(await Promise.all(stages)).toEqual([2, 2, 2]);
  });

  it('holds no lock on the other files of the folder', async () => {
    for (const schema of ['Audit', 'DWH']) database(schema).exec('CREATE TABLE t (a)');
    const tryLocks = (): void => {
      for (const schema of ['Audit', 'DWH']) database(schema).exec('BEGIN IMMEDIATE; ROLLBACK');
      expect(() => database('Staging').exec('BEGIN IMMEDIATE')).toThrow('locked');
    };
    expect(await stage('Staging.t', 1, streamOf([[1, 'a']], COLUMNS, tryLocks))).toBe(1);
  });

  it('says what is there when a table is not', async () => {
    await makeNorthwind(folder, { orders: 1 });
    const target = await warehouse();
    await expect(target.read(table('dbo.Oders'), never)).rejects.toMatchObject({
      name: 'NotFound',
      message:
        'There is no table dbo.Oders in sqlite:northwind. Tables in dbo: dbo.[Order Details], dbo.Orders',
    });
    await expect(target.read(table('sales.Orders'), never)).rejects.toMatchObject({
      name: 'NotFound',
      message:
        'There is no table sales.Orders in sqlite:northwind: it has no file sales.db. Schemas there: dbo',
    });
    await expect(target.read(table('[../secret].Orders'), never)).rejects.toMatchObject({ name: 'BadInput' });
  });

  it('refuses targets and sources that would do harm', async () => {
    database('Staging').exec('CREATE TABLE Customers (ID INTEGER)');
    await expect(stage('Staging.Customers', 1, streamOf([]))).rejects.toMatchObject({
      name: 'BadInput',
      message:
        'Staging.Customers exists and has no column BatchID, so it is not a staging table. Name another one, or add the column',
    });
    await expect(stage('audit.PipelineLog', 1, streamOf([]))).rejects.toMatchObject({ name: 'BadInput' });
    await expect(stage('Staging.t', 1, streamOf([], [{ name: 'batchid', type: '' }]))).rejects.toMatchObject({
      name: 'BadInput',
      message: expect.stringContaining('through a view') as unknown,
    });
  });

  it('leaves the event loop a turn after every thousand rows', async () => {
    database('dbo').exec(`
      CREATE TABLE big (id INTEGER PRIMARY KEY, a TEXT);
      WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
      INSERT INTO big SELECT i, 'some text of row ' || i FROM n`);
    let turn = 0;
    let next = setImmediate(function count() {
      turn++;
      next = setImmediate(count);
    });
    const rowsOfTurn = new Map<number, number>();
    let before = 0;
    try {
      await stage('Staging.big', 1, await (await warehouse()).read(table('dbo.big'), never), (rows) => {
        rowsOfTurn.set(turn, (rowsOfTurn.get(turn) ?? 0) + rows - before);
        before = rows;
      });
    } finally {
      clearImmediate(next);
    }
    expect(before).toBe(20_000);
    expect(Math.max(...rowsOfTurn.values())).toBe(1_000);
  });
});

describe('a transform', () => {
  it('loads the sample as the sample says', async () => {
    await makeNorthwind(folder);
    await stageNorthwind(1);
    await stageNorthwind(2);
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
    const without = await openWarehouse({ url: `sqlite:${folder}` });
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
    await stage('Staging.s', 1, streamOf([[1, 'a']]));
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
    await stage('Staging.s', 1, streamOf([[1, 'a']]));
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
      await stage('Staging.s', 1, streamOf([[1, 'a']]));
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
    await stageNorthwind(1);
    await stageNorthwind(2);
    const dwh = await warehouse(northwindScripts);
    await dwh.transform(table('DWH.TransformSales'), 1);
    const reader = await watchFacts(join(folder, 'DWH.db'));
    await dwh.transform(table('DWH.TransformSales'), 2);
    const { states, looks } = await reader.stop();
    expect(states).toEqual(['20000 rows of 1 to 1', '20000 rows of 2 to 2']);
    expect(looks).toBeGreaterThan(20);
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
        "DWH.Fact_Sales has no column BatchID, so its rows can't be counted by batch. Add the column and let the transform fill it with @CurrentBatchID",
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
