/** SQLite as a target by itself: a load works in a thread of its own, and whoever asks for it sees nothing of that. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Column, ColumnType } from '../../src/domain/columnType.js';
import {
  BadConfig,
  BadInput,
  CountsDiffer,
  Overtaken,
  RowsRejected,
  UnlistedRows,
} from '../../src/domain/errors.js';
import { openTarget } from '../../src/engines/sqlite/transfer/target.js';
import type { Load, LoadCounts, LoadingTable } from '../../src/engines/transferContract.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-target-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WHOLE: ColumnType = { kind: 'integer', bits: 64 };
const column = (name: string, type: ColumnType): Column => ({ name, type, nullable: true });

const batch = {
  ...{ storeID: 'store', logID: 7, runID: 'run', isStaging: false },
  loadedAt: '2026-11-26T00:00:00.000Z',
};

interface Given extends Partial<Load> {
  readonly chunks?: Array<() => Readable | Promise<Readable>>;
  readonly table?: Partial<LoadingTable>;
  readonly signal?: AbortSignal;
}

/** Loads rows of a whole number each into DWH.t, unless the table says otherwise. */
async function load({
  chunks = [() => csv('1\n')],
  table = {},
  signal = new AbortController().signal,
  ...given
}: Given): Promise<LoadCounts> {
  const target = await openTarget({ url: `sqlite:${folder}`, signal });
  const seen: LoadCounts[] = [];
  await target.load({
    ...{
      batch,
      mode: 'append',
      replaces: [],
      location: '',
      allowRejected: false,
      onProgress: () => undefined,
    },
    tables: [
      {
        ...{ to: { schema: 'DWH', name: 't' }, columns: [column('a', WHOLE)], key: [] },
        chunks: chunks.map((open) => ({
          object: 'x',
          staged: () => Promise.resolve(),
          open: async () => open(),
        })),
        ...table,
      },
    ],
    verify: async (_, counts) => void seen.push(counts),
    ...given,
  });
  return seen[0]!;
}

function csv(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}

function inFile<T>(work: (db: Database.Database) => T): T {
  // Nothing is waited for: what a load has locked is free when it has ended.
  const db = new Database(join(folder, 'DWH.db'), { timeout: 0 });
  try {
    return work(db.defaultSafeIntegers());
  } finally {
    db.close();
  }
}

const rows = (sql: string): unknown[] => inFile((db) => db.prepare(sql).raw().all());

it('the event loop is free while SQLite works', async () => {
  inFile((db) =>
    db.exec(`
      CREATE TABLE many (n); CREATE TABLE found (n); CREATE TABLE t (a INTEGER, BatchID INTEGER, LoadedAt TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO many SELECT i FROM n;
      CREATE TRIGGER slow AFTER INSERT ON t BEGIN INSERT INTO found SELECT count(*) FROM many A, many B WHERE A.n < B.n; END`),
  );
  const before = performance.eventLoopUtilization();
  await load({});
  const { utilization, active, idle } = performance.eventLoopUtilization(before);
  expect(rows('SELECT n FROM found')).toEqual([[7_998_000n]]);
  expect(utilization, `${active} ms busy, ${idle} ms free`).toBeLessThan(0.5);
});

it('the bytes of all chunks arrive, however they are cut, and progress is told', async () => {
  const numbers = Array.from({ length: 50_000 }, (_, index) => index);
  const bytes = Buffer.from(numbers.join('\n'));
  const cut = function* (size: number): Generator<Buffer> {
    // Of one memory, as a stream's pieces may be.
    for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
  };
  const progress: number[] = [];
  const counts = await load({
    chunks: [1_000, 77, 1_000_000].map((size) => () => Readable.from(cut(size))),
    onProgress: (loaded) => progress.push(loaded),
  });
  expect(counts).toEqual({ before: 0, after: 150_000, loaded: 150_000, rejected: 0, ofBatch: 150_000 });
  expect(rows('SELECT count(*), count(DISTINCT a), sum(a) FROM t')).toEqual([
    [150_000n, 50_000n, 3n * 1_249_975_000n],
  ]);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(progress.at(-1)).toBeGreaterThanOrEqual(100_000);
});

it('numbers arrive as SQLite reads their texts', async () => {
  const whole = ['0', '-0', '7', '007', '-42', '999999999999999', '-999999999999999', '1000000000000000'];
  const large = ['9007199254740993', '9223372036854775807', '-9223372036854775808', '9223372036854775808'];
  const numbers = [...whole, ...large];
  await load({
    chunks: [() => csv(numbers.map((text) => `${text},${text}\n`).join(''))],
    table: { columns: [column('a', WHOLE), column('b', { kind: 'text' })] },
  });
  expect(
    rows(
      `SELECT count(*), sum(a IS CAST(b AS INTEGER)), sum(typeof(a) = 'integer') FROM t WHERE length(b) < 19`,
    ),
  ).toEqual([[BigInt(whole.length + 1), BigInt(whole.length + 1), BigInt(whole.length + 1)]]);
  expect(rows('SELECT a FROM t WHERE length(b) >= 19 ORDER BY a')).toEqual([
    [-9223372036854775808n],
    [9223372036854775807n],
    [9223372036854775808],
  ]);
});

it('what the thread finds wrong is an error of its kind, with its code and its cause', async () => {
  inFile((db) => db.exec('CREATE TABLE t (a INTEGER CHECK (a < 5), BatchID INTEGER, LoadedAt TEXT)'));
  const rejected = load({ chunks: [() => csv('1\n5\n')] });
  await expect(rejected).rejects.toBeInstanceOf(RowsRejected);
  await expect(rejected).rejects.toThrow('DWH.t: the target refuses row 2 of chunk 0: CHECK constraint');
  const narrow = load({ table: { columns: [column('a', { kind: 'text' })] } });
  await expect(narrow).rejects.toBeInstanceOf(BadInput);
  inFile((db) => db.exec("INSERT INTO t VALUES (1, 7, 'by hand')"));
  await expect(load({})).rejects.toBeInstanceOf(UnlistedRows);
  inFile((db) => db.exec('DELETE FROM t'));
  const claim = { kind: 'key', source: 's', intervals: [{ from: '0', to: '5' }], force: false } as const;
  await load({ table: { claim, cursor: 'a' } });
  const late = load({ table: { claim, cursor: 'a' }, batch: { ...batch, logID: 8 } });
  await expect(late).rejects.toBeInstanceOf(Overtaken);

  const broken = load({ chunks: [() => csv('"')], batch: { ...batch, logID: 9 } });
  await expect(broken).rejects.toThrow('The CSV ends in the middle of a quoted field');
  rmSync(join(folder, 'DWH.db'));
  mkdirSync(join(folder, 'DWH.db'));
  const inTheWay = await load({}).catch((reason: unknown) => reason);
  expect(inTheWay).toBeInstanceOf(BadConfig);
  expect(inTheWay).toMatchObject({ cause: { name: 'SqliteError', code: 'SQLITE_CANTOPEN' } });
});

it('a table that people made gets what it lacks but for the BatchID', async () => {
  inFile((db) => db.exec('CREATE TABLE t (BatchID INTEGER); INSERT INTO t VALUES (3)'));
  await load({});
  expect(rows('SELECT BatchID, a, LoadedAt FROM t ORDER BY BatchID')).toEqual([
    [3n, null, null],
    [7n, 1n, batch.loadedAt],
  ]);
});

const difference = new CountsDiffer('one is missing');

it.each([
  ['the counts', { verify: () => Promise.reject(difference) }],
  ['a chunk', { chunks: [() => csv('1\n'), cutOff] }],
])('what is wrong with %s is thrown as it is, and nothing is in the target', async (_, given) => {
  await expect(load(given)).rejects.toBe(difference);
  expect(rows('SELECT name FROM sqlite_schema')).toEqual([]);
});

it('what the thread refuses is told at once, also while the source is silent', async () => {
  inFile((db) => db.exec('CREATE TABLE t (a INTEGER CHECK (a < 5), BatchID INTEGER, LoadedAt TEXT)'));
  const silent = silentAfter('9\n'.repeat(100_000));
  await expect(load({ chunks: [() => silent] })).rejects.toBeInstanceOf(RowsRejected);
  expect(silent.destroyed).toBe(true);
});

function silentAfter(text: string): Readable {
  const stream = new Readable({ read: () => undefined });
  stream.push(text);
  return stream;
}

function cutOff(): Readable {
  return new Readable({
    read() {
      this.destroy(difference);
    },
  });
}

it('while the first load of a file goes on, others read it, and the next one waits for its turn', async () => {
  const [first, second] = [halfway(), halfway()];
  const loading = [load({ chunks: [first.rows] })];
  await first.isReached;
  loading.push(load({ chunks: [second.rows], batch: { ...batch, logID: 8 } }));
  const reader = new Database(join(folder, 'DWH.db'), { readonly: true, timeout: 0 });
  const tables = reader.prepare('SELECT count(*) FROM sqlite_schema').pluck();
  try {
    reader.exec('BEGIN');
    expect(tables.get()).toBe(0);
    // What the next one does before it waits for its turn.
    inFile((db) => db.pragma('journal_mode = WAL'));
    first.goOn();
    await loading[0];
    expect(tables.get()).toBe(0);
  } finally {
    reader.close();
    first.goOn();
    second.goOn();
    await Promise.allSettled(loading);
  }
  expect(await loading[1]).toMatchObject({ before: 2, after: 4 });
});

/** Two rows, with a stop between them; reached when the thread has begun to load and asks for the second. */
function halfway() {
  const [isReached, reach] = signalled();
  const [mayGoOn, goOn] = signalled();
  const pieces = async function* () {
    yield Buffer.from('1\n');
    reach();
    await mayGoOn;
    yield Buffer.from('2\n');
  };
  return { rows: () => Readable.from(pieces()), isReached, goOn };
}

function signalled(): [Promise<void>, () => void] {
  let signal!: () => void;
  const promise = new Promise<void>((resolve) => (signal = resolve));
  return [promise, signal];
}

it('a load that is cancelled lets go of the file and of the chunk, and leaves nothing', async () => {
  const cancelling = new AbortController();
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.from('1\n'.repeat(1_000));
    })(),
  );
  const loading = load({
    chunks: [() => endless],
    signal: cancelling.signal,
    onProgress: (loaded) => {
      if (loaded > 10_000) cancelling.abort();
    },
  });
  await expect(loading).rejects.toMatchObject({ name: 'AbortError' });
  expect(endless.destroyed).toBe(true);
  inFile((db) => db.exec('BEGIN IMMEDIATE; ROLLBACK'));
  expect(rows('SELECT name FROM sqlite_schema')).toEqual([]);
});

it('a load that is cancelled waits for no chunk, and lets go of one that comes later', async () => {
  const cancelling = new AbortController();
  const late = silentAfter('1\n');
  const [isStaged, stage] = signalled();
  const open = (): Promise<Readable> => {
    cancelling.abort();
    return isStaged.then(() => late);
  };
  await expect(load({ chunks: [open], signal: cancelling.signal })).rejects.toMatchObject({
    name: 'AbortError',
  });
  stage();
  await vi.waitUntil(() => late.destroyed);
});
