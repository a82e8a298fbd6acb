/** Transfers between SQLite files, through a folder: against a real Temporal server. */
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { OWN_PLACES, Rig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.open();
  mkdirSync(join(rig.folder, 'staging'), { recursive: true });
});
afterAll(() => rig?.close());

function source(sql: string): void {
  const db = rig.database('source/app');
  db.exec(sql);
  db.close();
}

function target(sql: string): void {
  const db = rig.database('target/DWH');
  db.exec(sql);
  db.close();
}

const one = (from: string, to: string, more: object = {}): object => ({
  tables: [{ from: `app.${from}`, to: `DWH.${to}`, ...more }],
  mode: 'append',
});

const staged = (): string[] =>
  readdirSync(join(rig.folder, 'staging'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.gz'),
  );

describe('values', () => {
  it('of every type arrive as they were', async () => {
    source(`
      CREATE TABLE hard (id INTEGER PRIMARY KEY, flag BOOLEAN, big BIGINT, num DECIMAL(12, 2), exact DECIMAL_TEXT(38, 10), free NUMERIC,
        f DOUBLE, t TEXT, v VARCHAR(3), b BLOB, d DATE, tm TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, j JSON_TEXT, iv INTERVAL, undeclared);
      INSERT INTO hard VALUES
        (1, 1, 9223372036854775807, 0.1, '12345678901234567890123456.0123456789', 5, 0.1, '', 'äöü', x'', '2024-02-29', '23:59:59.999999',
          '0044-03-15 00:00:00 BC', 'infinity', '00000000-0000-0000-0000-000000000000', '{"a": "\\n"}', '1 mon -1 days', 'x'),
        (2, 0, -9223372036854775808, -99.99, '-0.0000000001', 1e300, 9e999, char(10), 'a,b', x'00ff5c', '-infinity', '00:00:00', '12345-01-01 00:00:00',
          '2024-10-27 00:30:00+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"5"', '00:00:01', ''),
        (3, NULL, 9007199254740993, 1234567890.12, '0', 0.1, -9e999, 'say "hi", \\.', '', NULL, NULL, NULL, NULL, NULL, NULL, '5', NULL, NULL),
        (4, NULL, 0, 0, '1.0', 0, -0.0, '🚚 名 é', '\\N', x'22', NULL, NULL, NULL, NULL, NULL, 'null', NULL, '\\.'),
        (5, NULL, NULL, NULL, NULL, NULL, 5e-324, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (6, NULL, NULL, NULL, NULL, NULL, 1.7976931348623157e308, 'cr' || char(13), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    expect(await rig.transfer(one('hard', 'hard'))).toMatchObject({ rowsProcessed: 6, recordCountAfter: 6 });
    const columns =
      'id, flag, big, num, exact, free, f, t, v, b, d, tm, ts, tz, u, j, iv, undeclared, typeof(num), typeof(exact), typeof(f), typeof(b)';
    expect(rig.rows('target/DWH', `SELECT ${columns} FROM hard ORDER BY id`)).toEqual(
      // A number without a declared size keeps its digits as a text in the target.
      (rig.rows('source/app', `SELECT ${columns} FROM hard ORDER BY id`) as unknown[][]).map((row) =>
        row.map((value, index) => (index === 5 && value !== null ? String(value as number) : value)),
      ),
    );
  });

  it('of another kind than their column declares are refused by name', async () => {
    source(`CREATE TABLE odd (n INTEGER, note TEXT); INSERT INTO odd VALUES (1, 'a'), ('one', 'b')`);
    expect(await rig.refusal(one('odd', 'odd'))).toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining(
        'app.odd of sqlite:source: the column n is integer (64 bits) and holds "one"',
      ) as unknown,
    });
    expect(rig.rows('target/DWH', `SELECT name FROM sqlite_schema WHERE name = 'odd'`)).toEqual([]);
  });

  it('that a type would round are refused', async () => {
    source('CREATE TABLE cents (n DECIMAL(5, 2)); INSERT INTO cents VALUES (1.005)');
    expect((await rig.refusal(one('cents', 'cents'))).message).toContain(
      'the column n is decimal(5, 2) and holds 1.005',
    );
  });
});

describe('tables', () => {
  it.each([0, 1])('with %d rows', async (rows) => {
    source(`CREATE TABLE few${rows} (a TEXT)`);
    if (rows > 0) source(`INSERT INTO few${rows} VALUES (NULL)`);
    expect(await rig.transfer(one(`few${rows}`, `few${rows}`))).toMatchObject({ rowsProcessed: rows });
    expect(rig.rows('target/DWH', `SELECT a FROM few${rows}`)).toEqual(rows > 0 ? [[null]] : []);
    expect(rig.rows('target/DWH', `SELECT "Rows" FROM BatchLoad WHERE TableName = 'DWH.few${rows}'`)).toEqual(
      [[BigInt(rows)]],
    );
  });

  it('with 300 columns', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `c${index}`);
    source(`CREATE TABLE wide (${names.map((name) => `${name} TEXT`).join(', ')});
      INSERT INTO wide VALUES (${names.map((name) => `'${name}'`).join(', ')})`);
    expect(await rig.transfer(one('wide', 'wide'))).toMatchObject({ rowsProcessed: 1 });
    expect(rig.rows('target/DWH', `SELECT ${names.join(', ')} FROM wide`)).toEqual([names]);
  });

  it('with any names', async () => {
    source(`CREATE TABLE "order ""x""; DROP TABLE hard; --" ("select" INTEGER, "it's" TEXT, "名 前" TEXT, "a.b" TEXT);
      INSERT INTO "order ""x""; DROP TABLE hard; --" VALUES (1, 'a', 'b', 'c')`);
    const name = '[order "x"; DROP TABLE hard; --]';
    expect(await rig.transfer(one(name, name))).toMatchObject({ rowsProcessed: 1 });
    expect(
      rig.rows(
        'target/DWH',
        `SELECT "select", "it's", "名 前", "a.b" FROM "order ""x""; DROP TABLE hard; --"`,
      ),
    ).toEqual([[1n, 'a', 'b', 'c']]);
  });

  it('of some columns and rows', async () => {
    source(`CREATE TABLE some (id INTEGER PRIMARY KEY, a TEXT, b TEXT);
      INSERT INTO some VALUES (1, 'x', 'y'), (2, 'x', 'z'), (3, 'w', 'y')`);
    await rig.transfer(one('some', 'some', { columns: ['b', 'id'], where: "a = 'x' -- not w" }));
    expect(rig.rows('target/DWH', 'SELECT id, b FROM some')).toEqual([
      [1n, 'y'],
      [2n, 'z'],
    ]);
  });

  it('that are CSV files', async () => {
    mkdirSync(join(rig.folder, 'shop'), { recursive: true });
    writeFileSync(join(rig.folder, 'shop', 'orders.csv'), 'id,note\r\n1,"a ""b"""\r\n2,\r\n3,""\r\n');
    expect(
      await rig.transfer({
        source: 'files',
        tables: [{ from: 'shop.orders', to: 'DWH.csv' }],
        mode: 'append',
      }),
    ).toMatchObject({ rowsProcessed: 3 });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM csv')).toEqual([
      ['1', 'a "b"'],
      ['2', null],
      ['3', ''],
    ]);
  });
});

describe('modes', () => {
  it('append adds, replace takes the place of what batches loaded, merge changes by key', async () => {
    source(`CREATE TABLE m (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO m VALUES (1, 'a'), (2, 'b')`);
    await rig.transfer(one('m', 'm'));
    expect(await rig.transfer(one('m', 'm'))).toMatchObject({ recordCountBefore: 2, recordCountAfter: 4 });
    expect(await rig.transfer({ ...one('m', 'm'), mode: 'replace' })).toMatchObject({
      ...{ rowsProcessed: 2, recordCountBefore: 4, recordCountAfter: 2 },
    });
    source(`DELETE FROM m WHERE id = 1; UPDATE m SET v = 'B'; INSERT INTO m VALUES (3, 'c')`);
    expect(await rig.transfer({ ...one('m', 'm'), mode: 'merge' })).toMatchObject({
      ...{ rowsProcessed: 2, recordCountBefore: 2, recordCountAfter: 3 },
    });
    expect(rig.rows('target/DWH', 'SELECT id, v FROM m ORDER BY id')).toEqual([
      [1n, 'a'],
      [2n, 'B'],
      [3n, 'c'],
    ]);
  });

  it('merge refuses a key that does not tell rows apart', async () => {
    source(`CREATE TABLE twice (k INTEGER, v TEXT); INSERT INTO twice VALUES (1, 'a'), (1, 'b')`);
    const input = { ...one('twice', 'twice', { key: ['k'] }), mode: 'merge' };
    expect((await rig.refusal(input)).message).toContain("1 of the source's rows have the same k as another");
    source('DELETE FROM twice; INSERT INTO twice VALUES (NULL, NULL)');
    expect((await rig.refusal(input)).message).toContain('a row has no k, which is part of the key');
    expect((await rig.refusal({ ...one('twice', 'twice'), mode: 'merge' })).message).toContain(
      'app.twice has no primary key',
    );
  });

  it('replace does not touch rows that no batch loaded', async () => {
    source(`CREATE TABLE mine (a TEXT); INSERT INTO mine VALUES ('loaded')`);
    await rig.transfer(one('mine', 'mine'));
    const [[loaded]] = rig.rows('target/DWH', 'SELECT BatchID FROM mine') as [[bigint]];
    // By the number of no batch, of one that the ledger lists with fewer rows, and by none.
    for (const number of ['4711', loaded, 'NULL']) {
      target(`DROP TABLE IF EXISTS copy; CREATE TABLE copy AS SELECT * FROM mine WHERE a = 'loaded';
        DROP TABLE mine; ALTER TABLE copy RENAME TO mine; INSERT INTO mine VALUES ('by hand', ${number}, 'now')`);
      expect(await rig.refusal({ ...one('mine', 'mine'), mode: 'replace' })).toMatchObject({
        type: 'UnlistedRows',
        message: expect.stringContaining(
          'DWH.mine holds 1 rows that its ledger BatchLoad does not list',
        ) as unknown,
      });
      expect(rig.rows('target/DWH', 'SELECT a FROM mine')).toEqual([['loaded'], ['by hand']]);
    }
  });
});

describe('the ledger', () => {
  it('refuses rows of the same number that it does not list', async () => {
    source(`CREATE TABLE ours (a TEXT); INSERT INTO ours VALUES ('x')`);
    await rig.transfer(one('ours', 'ours'));
    // As if another audit store, which counts from 1, too, had loaded here.
    const [[last]] = rig.rows('audit/Audit', 'SELECT max(LogID) FROM PipelineLog') as [[bigint]];
    target(`INSERT INTO ours VALUES ('theirs', ${last + 1n}, 'then');
      INSERT INTO BatchLoad VALUES ('another store', ${last + 1n}, 'run', 'DWH.ours', 0, 1, 'then', 0)`);
    expect(await rig.refusal(one('ours', 'ours'))).toMatchObject({
      type: 'UnlistedRows',
      message: expect.stringContaining(
        `DWH.ours holds 1 rows with BatchID ${last + 1n}, and its ledger`,
      ) as unknown,
    });
    expect(rig.rows('target/DWH', 'SELECT a FROM ours ORDER BY a')).toEqual([['theirs'], ['x']]);
  });

  it('lists what a batch loaded, and the batch has every count on record', async () => {
    source(`CREATE TABLE listed (a INTEGER); INSERT INTO listed VALUES (1), (2), (3)`);
    const run = await rig.start('historicalTransfer', { ...OWN_PLACES, ...one('listed', 'listed') });
    await rig.resultOf(run);
    const { batch, events } = await rig.batchOf(run);
    expect(batch).toMatchObject({
      ...{ Status: 'Success', RowsProcessed: 3, RowsRejected: 0, RecordCountBefore: 0, RecordCountAfter: 3 },
      PipelineName: 'historicalTransfer',
      TargetSystem: expect.stringContaining('sqlite:target') as unknown,
    });
    expect(events.find(({ StepName }) => StepName === 'DWH.listed')?.Message).toBe(
      'source 3, extracted 3, staged 3, loaded 3, rejected 0, in target 3 (rows before 0, after 3)',
    );
    const [[store]] = rig.rows('audit/Audit', 'SELECT StoreID FROM Store') as [[string]];
    expect(
      rig.rows(
        'target/DWH',
        `SELECT StoreID, LogID, RunID, Chunk, "Rows" FROM BatchLoad WHERE TableName = 'DWH.listed'`,
      ),
    ).toEqual([[store, BigInt(batch.LogID), run.runId, 0n, 3n]]);
    expect(rig.rows('target/DWH', 'SELECT DISTINCT BatchID, LoadedAt > 2000 FROM listed')).toEqual([
      [BigInt(batch.LogID), 1n],
    ]);
    expect(rig.rows('target/DWH', "SELECT name FROM pragma_index_list('listed')")).toEqual([
      ['IX_listed_BatchID'],
    ]);
  });

  it('counts again what the target has, and takes back a load that does not add up', async () => {
    source(`CREATE TABLE eaten (a INTEGER); INSERT INTO eaten VALUES (1), (2)`);
    await rig.transfer(one('eaten', 'eaten'));
    target(
      `CREATE TRIGGER eats AFTER INSERT ON eaten WHEN NEW.a = 2 BEGIN DELETE FROM eaten WHERE rowid = NEW.rowid; END`,
    );
    const run = await rig.start('historicalTransfer', { ...OWN_PLACES, ...one('eaten', 'eaten') });
    expect(await rig.failureOf(run)).toMatchObject({
      type: 'CountsDiffer',
      message: expect.stringContaining(
        'DWH.eaten: 2 rows loaded, 1 in the target with this BatchID: 1 are missing',
      ) as unknown,
    });
    expect((await rig.batchOf(run)).batch.Status).toBe('Error');
    expect(rig.rows('target/DWH', 'SELECT count(*) FROM eaten')).toEqual([[2n]]);
  });
});

describe('columns', () => {
  it('that are new in the source are added; one that is gone is named', async () => {
    source(`CREATE TABLE grows (a INTEGER NOT NULL); INSERT INTO grows VALUES (1)`);
    await rig.transfer(one('grows', 'grows'));
    source(`ALTER TABLE grows ADD COLUMN b TEXT NOT NULL DEFAULT 'new'`);
    await rig.transfer(one('grows', 'grows'));
    expect(rig.rows('target/DWH', 'SELECT a, b FROM grows')).toEqual([
      [1n, null],
      [1n, 'new'],
    ]);
    source('ALTER TABLE grows DROP COLUMN b');
    expect(await rig.refusal(one('grows', 'grows'))).toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining(
        'DWH.grows has a column b, and the source has none of this name',
      ) as unknown,
    });
  });

  it('that would be narrowed are named', async () => {
    source(`CREATE TABLE wider (a VARCHAR(20))`);
    target(`CREATE TABLE wider (a VARCHAR(10), BatchID INTEGER, LoadedAt TEXT)`);
    expect((await rig.refusal(one('wider', 'wider'))).message).toContain(
      "DWH.wider: the column a is text(10), and the source's is text(20), which does not fit in",
    );
  });

  it('with the names of the transfer’s own are refused', async () => {
    source(`CREATE TABLE own (batchid INTEGER)`);
    expect((await rig.refusal(one('own', 'own'))).message).toContain('has a column batchid');
  });
});

describe('rows that the target refuses', () => {
  it('end the batch, or are kept where they can be read', async () => {
    source(
      `CREATE TABLE picky (a INTEGER, b TEXT); INSERT INTO picky VALUES (1, 'x'), (2, NULL), (3, 'say "y"')`,
    );
    target(`CREATE TABLE picky (a INTEGER, b TEXT CHECK (b = 'x'), BatchID INTEGER NOT NULL, LoadedAt TEXT)`);
    expect(await rig.refusal(one('picky', 'picky'))).toMatchObject({
      type: 'RowsRejected',
      message: expect.stringContaining(
        'DWH.picky: the target refuses row 3 of chunk 0: CHECK constraint failed',
      ) as unknown,
    });
    expect(rig.rows('target/DWH', 'SELECT count(*) FROM picky')).toEqual([[0n]]);
    const run = await rig.start('historicalTransfer', {
      ...{ ...OWN_PLACES, ...one('picky', 'picky'), allowRejected: true },
    });
    expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 2, rowsRejected: 1 });
    expect((await rig.batchOf(run)).batch).toMatchObject({ RowsProcessed: 2, RowsRejected: 1 });
    expect(
      rig.rows('target/DWH', `SELECT Row, Content FROM BatchRejected WHERE TableName = 'DWH.picky'`),
    ).toEqual([[3n, '3,"say ""y"""\n']]);
  });
});

describe('rows that the target refuses among many', () => {
  it('are found one by one, and cost no other', async () => {
    source(`CREATE TABLE many (a INTEGER, b TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO many SELECT i, 'row ' || i FROM n`);
    target(
      `CREATE TABLE many (a INTEGER CHECK (a NOT IN (77, 500, 501)), b TEXT, BatchID INTEGER, LoadedAt TEXT)`,
    );
    expect((await rig.refusal(one('many', 'many'))).message).toContain('refuses row 77 of chunk 0');
    expect(await rig.transfer({ ...one('many', 'many'), allowRejected: true })).toMatchObject({
      ...{ rowsProcessed: 997, rowsRejected: 3 },
    });
    expect(
      rig.rows('target/DWH', `SELECT Row, Content FROM BatchRejected WHERE TableName = 'DWH.many'`),
    ).toEqual([77, 500, 501].map((row) => [BigInt(row), `${row},row ${row}\n`]));
    expect(
      rig.rows('target/DWH', `SELECT count(*), count(DISTINCT a), sum(b = 'row ' || a) FROM many`),
    ).toEqual([[997n, 997n, 997n]]);
  });
});

describe('a batch of several tables', () => {
  it('is there as a whole or not at all', async () => {
    source(
      `CREATE TABLE first (a INTEGER); INSERT INTO first VALUES (1); CREATE TABLE second (a INTEGER); INSERT INTO second VALUES (1)`,
    );
    target(`CREATE TABLE second (a INTEGER CHECK (a > 1), BatchID INTEGER, LoadedAt TEXT)`);
    const tables = ['first', 'second'].map((name) => ({ from: `app.${name}`, to: `DWH.${name}` }));
    expect((await rig.refusal({ tables, mode: 'append' })).type).toBe('RowsRejected');
    expect(rig.rows('target/DWH', `SELECT name FROM sqlite_schema WHERE name = 'first'`)).toEqual([]);
    source('UPDATE second SET a = 2');
    expect(await rig.transfer({ tables, mode: 'append' })).toMatchObject({
      rowsProcessed: 2,
      recordCountAfter: 2,
    });
  });

  it('must be of one file', async () => {
    source('CREATE TABLE IF NOT EXISTS first (a INTEGER)');
    const tables = ['A', 'B'].map((schema) => ({ from: 'app.first', to: `${schema}.first` }));
    expect((await rig.refusal({ tables, mode: 'append' })).message).toContain('must have one schema');
  });
});

describe('the staging area', () => {
  it('is cleaned after a success, or kept on demand', async () => {
    source(`CREATE TABLE kept (a INTEGER); INSERT INTO kept VALUES (1)`);
    const before = staged().length;
    await rig.transfer(one('kept', 'kept'));
    expect(staged()).toHaveLength(before);
    await rig.transfer({ ...one('kept', 'kept'), cleanup: 'never' });
    const [name] = staged().filter((file) => file.includes('1.DWH.kept'));
    expect(name).toMatch(/^[\da-f-]{36}[/\\]\d+[/\\]1\.DWH\.kept[/\\][\da-f]{8}-1-00001\.csv\.gz$/);
  });

  it('has gzip in a folder that is as large as the rows, because nobody sends it anywhere', async () => {
    source(`CREATE TABLE even (a TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO even SELECT 'same' FROM n`);
    await rig.transfer({ ...one('even', 'even'), cleanup: 'never' });
    const [name] = staged().filter((file) => file.includes('1.DWH.even'));
    const object = readFileSync(join(rig.folder, 'staging', name!));
    expect(gunzipSync(object).toString()).toBe('same\n'.repeat(1_000));
    expect(object.length).toBeGreaterThan(5_000);
  });

  it('loses what is older than a week of the same audit store, and nothing else', async () => {
    source(`CREATE TABLE aged (a INTEGER); INSERT INTO aged VALUES (1)`);
    const [[store]] = rig.rows('audit/Audit', 'SELECT StoreID FROM Store') as [[string]];
    const days = (number: number): Date => new Date(Date.now() - number * 24 * 60 * 60_000);
    const leave = (owner: string, name: string, changedAt: Date): void => {
      const folder = join(rig.folder, 'staging', owner, '999999', '1.t');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), 'x');
      utimesSync(join(folder, name), changedAt, changedAt);
    };
    leave(store, 'old.csv.gz', days(8));
    leave(store, 'new.csv.gz', days(6));
    leave('another-store', 'theirs.csv.gz', days(8));
    await rig.transfer(one('aged', 'aged'));
    const left = staged().filter((name) => name.includes('999999'));
    expect(left.map((name) => basename(name)).sort()).toEqual(['new.csv.gz', 'theirs.csv.gz']);
  });
});

describe('input', () => {
  it.each([
    [{ tables: [] }, 'historicalTransfer input.tables must be a list with at least one entry, not []'],
    [{ mode: 'upsert' }, 'historicalTransfer input.mode must be one of replace, append, merge, not "upsert"'],
    [{ parallel: 0 }, 'historicalTransfer input.parallel must be a whole number above 0, not 0'],
    [
      { tables: [{ from: 'a.b' }, { from: 'c.d', to: 'A.B' }] },
      'tables[1].to: A.B is the target of another entry',
    ],
    [{ source: 'nowhere' }, 'There is no connection "nowhere"'],
    [{ target: 'files' }, "connections.files.url: file: can't be the target of a transfer"],
    [
      { tables: [{ from: 'app.nothing' }] },
      'There is no table app.nothing in sqlite:source. Tables in app: app.',
    ],
    [
      { tables: [{ from: 'no.nothing' }] },
      'There is no table no.nothing in sqlite:source: it has no file no.db. Schemas there: ',
    ],
    [{ tables: [{ from: 'app.first', columns: ['z'] }] }, 'app.first of sqlite:source has no column "z"'],
  ])('%j is refused', async (input, message) => {
    source('CREATE TABLE IF NOT EXISTS first (a INTEGER)');
    const whole = { tables: [{ from: 'app.first' }], mode: 'append', ...input };
    expect((await rig.refusal(whole)).message).toContain(message);
  });
});

describe('cancelling', () => {
  it('stops a transfer within seconds, and leaves nothing in the target', async () => {
    source(`CREATE TABLE long (a INTEGER, b TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)
      INSERT INTO long SELECT i, 'some text that takes room ' || i FROM n`);
    const run = await rig.start('historicalTransfer', { ...OWN_PLACES, ...one('long', 'long') });
    await vi.waitUntil(() => existsSync(join(rig.folder, 'staging')) && parts() > 0, 20_000);
    const cancelledAt = Date.now();
    await rig.client.workflow.getHandle(run.workflowId).cancel();
    await expect(rig.resultOf(run)).rejects.toMatchObject({ cause: expect.any(CancelledFailure) as unknown });
    expect(Date.now() - cancelledAt).toBeLessThan(5_000);
    expect((await rig.batchOf(run)).batch.Status).toBe('Cancelled');
    expect(rig.rows('target/DWH', `SELECT name FROM sqlite_schema WHERE name = 'long'`)).toEqual([]);
    expect(parts()).toBe(0);
  });

  const parts = (): number =>
    readdirSync(join(rig.folder, 'staging'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.part'),
    ).length;
});
