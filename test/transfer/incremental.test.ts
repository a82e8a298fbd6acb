/** Incremental transfers between SQLite files: which rows a run moves, and what the ledger says of it. */
import { randomUUID } from 'node:crypto';
import { temporal } from '@temporalio/proto';
import type { Database } from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OWN_PLACES, Rig } from './rig.js';
import type { Run } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.open();
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

const day = '2025-11-01';
/** A time of that day, as it is written in the ledger. */
const time = (clock: string): string => `${day}T${clock}:00.000Z`;

const input = (table: string, more: object = {}): object => ({
  ...OWN_PLACES,
  tables: [{ from: `app.${table}`, to: `DWH.${table}` }],
  ...{ cursor: 'at', window: '30m', mode: 'append' },
  ...more,
});

const start = (table: string, at: string, more: object = {}): Promise<Run> =>
  rig.start('incrementalTransfer', input(table, { at: time(at), ...more }));

const move = async (table: string, at: string, more: object = {}): Promise<unknown> =>
  rig.resultOf(await start(table, at, more));

const refusal = async (more: object, table = 'bad'): Promise<string> =>
  (await rig.failureOf(await rig.start('incrementalTransfer', input(table, more)))).message;

/** Rows with a number, at these times of the day. */
function made(table: string, ...clocks: string[]): void {
  source(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, at TIMESTAMP, note TEXT)`);
  add(table, ...clocks);
}

function add(table: string, ...clocks: string[]): void {
  for (const clock of clocks) source(`INSERT INTO ${table} (at) VALUES ('${day} ${clock}')`);
}

const ids = (table: string): unknown[] =>
  (rig.rows('target/DWH', `SELECT id FROM ${table} ORDER BY id`) as unknown[][]).map(([id]) => Number(id));

/** What is in, and by which batch, as far as it is told apart from the other. */
function intervals(table: string): string[] {
  const rows = rig.rows(
    'target/DWH',
    `SELECT "From", "To", LogID FROM BatchInterval WHERE TableName = 'DWH.${table}' ORDER BY "From"`,
  ) as Array<[string, string, bigint]>;
  const batches = [...new Set(rows.map(([, , batch]) => batch))].sort((a, b) => Number(a - b));
  const short = (text: string): string => text.replace(`${day}T`, '').replace(':00.000Z', '');
  return rows.map(([from, to, batch]) => `${short(from)}-${short(to)} by ${batches.indexOf(batch) + 1}`);
}

describe('a window', () => {
  it('is moved once, with its first moment and without its last', async () => {
    made('edges', '09:59:59.999', '10:00:00', '10:29:59.999', '10:30:00');
    expect(await move('edges', '10:30')).toEqual({
      ...{ rowsProcessed: 2, rowsRejected: 0, recordCountBefore: 0, recordCountAfter: 2 },
    });
    expect(ids('edges')).toEqual([2, 3]);
    expect(await move('edges', '10:30')).toMatchObject({ rowsProcessed: 0 });
    expect(await move('edges', '11:00')).toMatchObject({ rowsProcessed: 1, recordCountBefore: 2 });
    expect(ids('edges')).toEqual([2, 3, 4]);
    expect(intervals('edges')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  it('finds times in any spelling', async () => {
    source(`CREATE TABLE spelled (id INTEGER PRIMARY KEY, at TIMESTAMPTZ); INSERT INTO spelled (at) VALUES
      ('${day} 10:10:00+00'), ('${day}T10:10:00Z'), ('${day} 12:10:00.5+02:00'), ('${day} 10:10'), ('${day} 10:10:00.123456'),
      ('${day} 10:10:00+01:00'), ('infinity'), (NULL)`);
    await move('spelled', '10:30');
    expect(ids('spelled')).toEqual([1, 2, 3, 4, 5]);
  });

  it("is not moved while a row has a time that SQLite can't read", async () => {
    source(`CREATE TABLE unread (id INTEGER PRIMARY KEY, at TIMESTAMP); INSERT INTO unread (at) VALUES
      ('${day} 10:10'), ('infinity'), ('-infinity'), (NULL)`);
    const unread = [
      ['1761991800', '1761991800'],
      ['20393', '20393'],
      ["'01.11.2025 10:10'", '"01.11.2025 10:10"'],
      [`'${day}T10:10:00+0000'`, `"${day}T10:10:00+0000"`],
      ["'10:10'", '"10:10"'],
      ["'now'", '"now"'],
      ["''", '""'],
      ["x'ff'", 'a BLOB'],
    ];
    for (const [value, shown] of unread) {
      source(`REPLACE INTO unread VALUES (9, ${value})`);
      expect(await rig.failureOf(await start('unread', '10:30'))).toMatchObject({
        type: 'BadInput',
        message:
          `app.unread of sqlite:source: the cursor at holds ${shown}, which SQLite can't read as a time, so no run would move its row. ` +
          'Write it as a text like 2025-11-01 06:10:00, or leave such rows out with where',
      });
    }
    const where = 'id <> 9';
    await move('unread', '10:30', { tables: [{ from: 'app.unread', to: 'DWH.unread', where }] });
    expect(ids('unread')).toEqual([1]);
  });

  it('that is empty is in, too', async () => {
    made('empty');
    expect(await move('empty', '10:30')).toMatchObject({ rowsProcessed: 0 });
    expect(intervals('empty')).toEqual(['10:00-10:30 by 1']);
  });

  it('stays behind by the lag', async () => {
    made('lagging', '10:20', '10:26');
    await move('lagging', '10:30', { lag: '5m' });
    expect(ids('lagging')).toEqual([1]);
    expect(intervals('lagging')).toEqual(['09:55-10:25 by 1']);
  });

  it('of another size moves only what is not in', async () => {
    made('resized', '10:10', '10:40');
    await move('resized', '10:30');
    expect(await move('resized', '11:00', { window: '1h' })).toMatchObject({ rowsProcessed: 1 });
    expect(ids('resized')).toEqual([1, 2]);
  });

  it('of a run without a Schedule is the last whole one before its start', async () => {
    const now = Date.now();
    source(`CREATE TABLE unscheduled (id INTEGER PRIMARY KEY, at TIMESTAMP)`);
    await rig.resultOf(await rig.start('incrementalTransfer', input('unscheduled', { window: '7d' })));
    const [[from, to]] = rig.rows(
      'target/DWH',
      `SELECT "From", "To" FROM BatchInterval WHERE TableName = 'DWH.unscheduled'`,
    ) as [[string, string]];
    const week = 7 * 86_400_000;
    expect(Date.parse(to)).toBe(Math.floor(now / week) * week);
    expect(Date.parse(from)).toBe(Date.parse(to) - week);
  });
});

describe('holes', () => {
  it('since the first interval are filled by the next run, late runs move their own', async () => {
    made('holes', '08:10', '08:40', '09:10', '09:40', '10:10');
    await move('holes', '09:30');
    await move('holes', '10:30');
    expect(ids('holes')).toEqual([3, 4, 5]);
    expect(intervals('holes')).toEqual(['09:00-09:30 by 1', '09:30-10:30 by 2']);
    // Before the first interval there is no hole until somebody asks for it.
    await move('holes', '08:30');
    expect(ids('holes')).toEqual([1, 3, 4, 5]);
    await move('holes', '11:00');
    expect(intervals('holes')).toEqual([
      ...['08:00-08:30 by 3', '08:30-09:00 by 4', '09:00-09:30 by 1', '09:30-10:30 by 2', '10:30-11:00 by 4'],
    ]);
    expect(ids('holes')).toEqual([1, 2, 3, 4, 5]);
  });

  it('that a failed batch left are filled by the next', async () => {
    made('failed', '10:10');
    await move('failed', '10:30');
    add('failed', '10:40', '11:10');
    target(
      'CREATE TRIGGER refuses BEFORE INSERT ON failed BEGIN SELECT RAISE(ABORT, "not now"); END'.replaceAll(
        '"',
        "'",
      ),
    );
    const failure = await rig.failureOf(await start('failed', '11:00'));
    expect(failure.type).toBe('RowsRejected');
    expect(intervals('failed')).toEqual(['10:00-10:30 by 1']);
    target('DROP TRIGGER refuses');
    expect(await move('failed', '11:30')).toMatchObject({ rowsProcessed: 2 });
    expect(ids('failed')).toEqual([1, 2, 3]);
  });
});

describe('force', () => {
  it('moves a window again, which takes the place of its rows', async () => {
    made('forced', '10:10', '10:20', '10:40', '11:10');
    for (const at of ['10:30', '11:00', '11:30']) await move('forced', at);
    source(
      `DELETE FROM forced WHERE id = 1; UPDATE forced SET note = 'new'; INSERT INTO forced (at) VALUES ('${day} 10:25')`,
    );
    expect(await move('forced', '10:30')).toMatchObject({ rowsProcessed: 0 });
    expect(await move('forced', '10:30', { force: true })).toMatchObject({
      ...{ rowsProcessed: 2, recordCountBefore: 4, recordCountAfter: 4 },
    });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM forced ORDER BY id')).toEqual([
      ...[
        [2n, 'new'],
        [3n, null],
        [4n, null],
        [5n, null],
      ],
    ]);
    expect(intervals('forced')).toEqual(['10:00-10:30 by 3', '10:30-11:00 by 1', '11:00-11:30 by 2']);
  });

  it('takes its part of an interval that was moved as one', async () => {
    made('parts', '10:10', '10:40', '11:10');
    await move('parts', '11:30', { window: '90m' });
    await move('parts', '11:00', { force: true });
    expect(intervals('parts')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2', '11:00-11:30 by 1']);
    expect(ids('parts')).toEqual([1, 2, 3]);
  });

  it('leaves rows that the ledger does not list', async () => {
    made('kept', '10:10');
    await move('kept', '10:30');
    target(`INSERT INTO kept VALUES (77, '${day} 10:11', 'by hand', 4711, 'now')`);
    await move('kept', '10:30', { force: true });
    expect(ids('kept')).toEqual([1, 77]);
  });
});

describe('late rows', () => {
  it('are found by the overlap, and merged by key', async () => {
    made('late', '10:20', '10:29');
    await move('late', '10:30', { mode: 'merge' });
    add('late', '10:28', '10:05', '10:40');
    source(`UPDATE late SET note = 'changed' WHERE id = 2`);
    expect(await move('late', '11:00', { mode: 'merge', overlap: '5m' })).toMatchObject({
      ...{ rowsProcessed: 3, recordCountBefore: 2, recordCountAfter: 4 },
    });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM late ORDER BY id')).toEqual([
      ...[
        [1n, null],
        [2n, 'changed'],
        [3n, null],
        [5n, null],
      ],
    ]);
    expect(intervals('late')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  it('that changed are moved on to their new place', async () => {
    made('changed', '10:10', '10:20');
    await move('changed', '10:30', { mode: 'merge' });
    source(`UPDATE changed SET at = '${day} 10:40', note = 'new' WHERE id = 1`);
    await move('changed', '11:00', { mode: 'merge' });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM changed ORDER BY id')).toEqual([
      [1n, 'new'],
      [2n, null],
    ]);
  });
});

describe('a key that rises', () => {
  const byKey = { cursor: 'id', window: undefined };
  const moveKeys = async (table: string, more: object = {}): Promise<unknown> =>
    rig.resultOf(await rig.start('incrementalTransfer', input(table, { ...byKey, ...more })));

  it('moves all that is above the highest that is in', async () => {
    made('keys');
    expect(await moveKeys('keys')).toMatchObject({ rowsProcessed: 0 });
    add('keys', '10:00', '10:01', '10:02');
    expect(await moveKeys('keys')).toMatchObject({ rowsProcessed: 3 });
    expect(await moveKeys('keys')).toMatchObject({ rowsProcessed: 0 });
    source(`INSERT INTO keys (id) VALUES (10), (9223372036854775807)`);
    expect(await moveKeys('keys')).toMatchObject({ rowsProcessed: 2, recordCountAfter: 5 });
    expect(intervals('keys')).toEqual(['1-4 by 1', '4-9223372036854775808 by 2']);
  });

  it('is moved as far as the lag, and from the overlap on', async () => {
    made('slow', '10:00', '10:01', '10:02', '10:03');
    const pace = { mode: 'merge', lag: 1, overlap: 2 };
    expect(await moveKeys('slow', pace)).toMatchObject({ rowsProcessed: 3 });
    add('slow', '10:04');
    source(`UPDATE slow SET note = 'late' WHERE id = 3`);
    expect(await moveKeys('slow', pace)).toMatchObject({ rowsProcessed: 3, recordCountAfter: 4 });
    expect(rig.rows('target/DWH', 'SELECT id FROM slow WHERE note IS NOT NULL')).toEqual([[3n]]);
    expect(intervals('slow')).toEqual(['1-4 by 1', '4-5 by 2']);
  });

  it('is moved from the lowest on when it is forced', async () => {
    made('again', '10:00', '10:01');
    await moveKeys('again');
    source(`DELETE FROM again WHERE id = 1; UPDATE again SET note = 'new'`);
    expect(await moveKeys('again', { force: true })).toMatchObject({ rowsProcessed: 1 });
    expect(intervals('again')).toEqual(['1-2 by 1', '2-3 by 2']);
    expect(rig.rows('target/DWH', 'SELECT id, note FROM again')).toEqual([
      [1n, null],
      [2n, 'new'],
    ]);
  });
});

describe('runs at once', () => {
  it('for different windows move each its own', async () => {
    made('crowd', '10:10', '10:40', '11:10', '11:40', '12:10', '12:40');
    const clocks = ['10:30', '11:00', '11:30', '12:00', '12:30', '13:00'];
    const runs = await Promise.all(clocks.map((at) => start('crowd', at)));
    const results = (await Promise.all(runs.map((run) => rig.resultOf(run)))) as Array<{
      rowsProcessed: number;
    }>;
    expect(ids('crowd')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(results.reduce((sum, { rowsProcessed }) => sum + rowsProcessed, 0)).toBe(6);
  });

  it('for the same window move it once', async () => {
    made('twins', '10:10', '10:20');
    await move('twins', '10:00');
    const lock = locked();
    const runs = await Promise.all(Array.from({ length: 3 }, () => start('twins', '10:30')));
    for (const run of runs) await rig.untilLoading(run);
    lock.release();
    const results = (await Promise.all(runs.map((run) => rig.resultOf(run)))) as Array<{
      rowsProcessed: number;
    }>;
    expect(results.map(({ rowsProcessed }) => rowsProcessed).sort()).toEqual([0, 0, 2]);
    expect(ids('twins')).toEqual([1, 2]);
    expect(intervals('twins')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
    const overtaken = runs[results.findIndex(({ rowsProcessed }) => rowsProcessed === 0)]!;
    const { batch, events, alerts } = await rig.batchOf(overtaken);
    expect(batch).toMatchObject({ Status: 'Success', RowsProcessed: 0, RetryStatus: null });
    expect(alerts).toEqual([]);
    const [load] = events.filter((one) => one.StepName === 'loadTables' && one.EventType === 'success');
    expect(load!.Message).toContain(`DWH.twins: ${time('10:00')} to ${time('10:30')} was moved by batch`);
  });

  it('do not merge an older state of a row over a newer one', async () => {
    made('raced', '09:50');
    await move('raced', '10:00', { mode: 'merge' });
    source(`UPDATE raced SET at = '${day} 10:10', note = 'older'`);
    const lock = locked();
    const run = await start('raced', '10:30', { mode: 'merge' });
    await rig.untilLoading(run);
    source(`UPDATE raced SET at = '${day} 10:40', note = 'newer'`);
    // As a run of the next window leaves it, which read the row later and was here first.
    lock.db.exec(`UPDATE raced SET at = '${day} 10:40', note = 'newer'`);
    lock.release();
    expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: 0 });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM raced')).toEqual([[1n, 'newer']]);
    expect(intervals('raced')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
  });

  /** Nobody loads until it is released. */
  function locked(): { db: Database; release: () => void } {
    const db = rig.database('target/DWH');
    db.exec('BEGIN IMMEDIATE');
    return {
      db,
      release: () => {
        db.exec('COMMIT');
        db.close();
      },
    };
  }
});

describe('two sources', () => {
  it('may load one table, each with its own intervals, when somebody says so', async () => {
    source(`CREATE TABLE both (id INTEGER PRIMARY KEY, at TIMESTAMP, region TEXT);
      INSERT INTO both VALUES (1, '${day} 10:10', 'EU'), (2, '${day} 10:20', 'US')`);
    const of = (region: string): object => ({
      tables: [{ from: 'app.both', to: 'DWH.both', where: `region = '${region}'` }],
    });
    await move('both', '10:30', of('EU'));
    const failure = await rig.failureOf(await start('both', '10:30', of('US')));
    expect(failure.message).toContain(
      `BatchInterval of DWH.both has no intervals of "source: app.both by at where region = 'US'", but of "source: app.both by at where region = 'EU'"`,
    );
    await move('both', '10:30', { ...of('US'), force: true });
    expect(ids('both')).toEqual([1, 2]);
    await move('both', '10:30', { ...of('EU'), force: true });
    expect(ids('both')).toEqual([1, 2]);
  });
});

describe('bad input', () => {
  beforeAll(() => {
    source(`CREATE TABLE bad (id INTEGER PRIMARY KEY, at TIMESTAMP, d DATE, t TEXT);
      CREATE TABLE keyless (id INTEGER, at TIMESTAMP)`);
    target(`CREATE TABLE texts (id TEXT, at TEXT, d DATE, t TEXT, BatchID INTEGER, LoadedAt TEXT)`);
  });

  it.each([
    [{ window: 'half an hour' }, 'input.window must be a duration, as 30m, 1h30m or 7d, not "half an hour"'],
    [{ overlap: '5m' }, 'input.overlap reads rows again that are in'],
    [{ cursor: 'nothing' }, 'app.bad of sqlite:source has no column "nothing". Its columns: id, at, d, t'],
    [{ cursor: 't' }, 'app.bad: the cursor t is text. A cursor must be a timestamp, or a whole number'],
    [{ cursor: 'd' }, 'app.bad: the cursor d is date. A cursor must be a timestamp, or a whole number'],
    [
      { cursor: 'id' },
      'app.bad: the cursor id is integer (64 bits), and a window is for times. Leave it out',
    ],
    [
      { window: undefined },
      'app.bad: the cursor at is timestamp without zone, so the transfer needs a window, as 30m',
    ],
    [
      { tables: [{ from: 'app.bad', to: 'DWH.bad', columns: ['id'] }] },
      'app.bad: the cursor at is not among the columns that are transferred. Add it',
    ],
    [
      { tables: [{ from: 'app.keyless', to: 'DWH.keyless' }], mode: 'merge', overlap: '5m' },
      'app.keyless has no primary key, so mode merge needs key',
    ],
    [
      { source: 'files', tables: [{ from: 'shop.orders', to: 'DWH.bad' }] },
      'is a CSV file, from which rows can’t be chosen',
    ],
    [
      { tables: [{ from: 'app.bad', to: 'DWH.texts' }] },
      "DWH.texts: the cursor at is text, and the source's is timestamp without zone, so an interval's rows can't be found by it",
    ],
    [
      { at: new Date(Date.now() + 86_400_000).toISOString() },
      'is not over yet. Its rows would be missed, so move it later',
    ],
  ])('is refused with what to do: %j', async (more, message) => {
    expect(await refusal(more)).toContain(message.replace('’', "'"));
  });
});

describe('a reset of a batch', () => {
  /** To the end of its first workflow task. */
  async function reset(run: Run): Promise<unknown> {
    const { runId } = await rig.client.workflowService.resetWorkflowExecution(
      temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
        ...{ namespace: 'default', workflowExecution: run, requestId: randomUUID(), reason: 'test' },
        workflowTaskFinishEventId: 4,
      }),
    );
    return rig.resultOf({ ...run, runId });
  }

  it('moves again what it had moved, in place of it', async () => {
    made('again1', '10:10', '10:40');
    await move('again1', '10:30');
    const run = await start('again1', '11:00');
    await rig.resultOf(run);
    source(`UPDATE again1 SET note = 'new'`);
    expect(await reset(run)).toMatchObject({ rowsProcessed: 1, recordCountAfter: 2 });
    expect(rig.rows('target/DWH', 'SELECT id, note FROM again1 ORDER BY id')).toEqual([
      [1n, null],
      [2n, 'new'],
    ]);
    expect(intervals('again1')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  it('also by keys, and when others have moved on since', async () => {
    made('again2', '10:10', '10:20');
    const byKey = { cursor: 'id', window: undefined };
    const run = await rig.start('incrementalTransfer', input('again2', byKey));
    await rig.resultOf(run);
    add('again2', '10:30');
    await rig.resultOf(await rig.start('incrementalTransfer', input('again2', byKey)));
    add('again2', '10:40');
    expect(await reset(run)).toMatchObject({ rowsProcessed: 3, recordCountAfter: 4 });
    expect(ids('again2')).toEqual([1, 2, 3, 4]);
    expect(intervals('again2')).toEqual(['1-3 by 1', '3-4 by 2', '4-5 by 1']);
  });
});

it('the audit says which intervals a batch moved, and its history is short', async () => {
  made('told', '10:10', '11:40');
  const told = async (run: Run): Promise<unknown[]> => {
    const { batch, events } = await rig.batchOf(run);
    const lines = events.filter(({ StepName }) => StepName === 'DWH.told').map(({ Message }) => Message);
    return [batch.Status, batch.RowsProcessed, batch.RecordCountBefore, batch.RecordCountAfter, ...lines];
  };
  await move('told', '10:30');
  const moved = await start('told', '12:00');
  await rig.resultOf(moved);
  expect(await told(moved)).toEqual([
    ...['Success', 1, 1, 2, `moves ${time('10:30')} to ${time('12:00')}`],
    'source 1, extracted 1, staged 1, loaded 1, rejected 0, in target 1 (rows before 1, after 2)',
  ]);
  const nothing = await start('told', '12:00');
  await rig.resultOf(nothing);
  expect(await told(nothing)).toEqual([
    ...['Success', 0, null, null, `${time('11:30')} to ${time('12:00')} is in already`],
  ]);
  const { events } = await rig.client.workflow.getHandle(moved.workflowId).fetchHistory();
  expect(events!.length).toBeLessThan(40);
});
