/** Incremental transfers to Snowflake, as far as the endpoint goes: from PostgreSQL by S3, also on a Schedule. */
import { randomUUID } from 'node:crypto';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startS3 } from '../endpoints/s3.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import type { Run } from './rig.js';
import { Rig } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';

const WHAT = 'Incremental transfers to Snowflake';
const snowflake = await ifPossible(startSnowflake(), WHAT);
const s3 = snowflake && (await ifPossible(startS3(), WHAT));
const postgres = s3 && (await ifPossible(startPostgres({ fsync: false }), WHAT));

const DAY = '2025-11-01';

describe.skipIf(!postgres)('Snowflake', () => {
  let rig: Rig;
  let shop: pg.Client;
  let dwh: SnowflakeClient;

  beforeAll(async () => {
    shop = new pg.Client(postgres!.url);
    await shop.connect();
    await shop.query(`CREATE SCHEMA app; SET TimeZone = 'UTC'`);
    dwh = await SnowflakeClient.open(snowflake!.url);
    await dwh.run('CREATE SCHEMA Raw');
    await dwh.run(s3!.stageOver('Raw.Staging'));
    rig = await Rig.open(() => ({
      shop: { url: postgres!.url },
      s3: { url: s3!.url },
      dwh: { url: `${snowflake!.url}&stage=Raw.Staging` },
    }));
  });
  afterAll(async () => {
    await rig?.close();
    await shop?.end();
    await dwh?.close();
    await Promise.all([postgres?.stop(), s3?.stop(), snowflake?.stop()]);
  });

  const input = (table: string, more: object = {}): object => ({
    ...{ source: 'shop', staging: 's3', target: 'dwh', mode: 'append', cursor: 'at', window: '30m' },
    tables: [{ from: `app.${table}`, to: `Raw.${table}` }],
    ...more,
  });

  const start = (table: string, at: string | undefined, more: object = {}): Promise<Run> =>
    rig.start('incrementalTransfer', input(table, { at: at && `${DAY}T${at}:00Z`, ...more }));

  const move = async (table: string, at: string | undefined, more: object = {}): Promise<unknown> =>
    rig.resultOf(await start(table, at, more));

  async function made(table: string, ...clocks: string[]): Promise<void> {
    await shop.query(
      `CREATE TABLE app.${table} (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, at timestamptz, note text)`,
    );
    await add(table, ...clocks);
  }

  async function add(table: string, ...clocks: string[]): Promise<void> {
    for (const clock of clocks) await shop.query(`INSERT INTO app.${table} (at) VALUES ('${DAY} ${clock}')`);
  }

  const ids = async (table: string): Promise<unknown[]> =>
    (await dwh.rows(`SELECT id FROM Raw.${table} ORDER BY id`)).map(([id]) => id);

  const notes = (table: string): Promise<unknown[][]> =>
    dwh.rows(`SELECT id, note FROM Raw.${table} ORDER BY id`);

  /** What is in, and by which batch, as far as it is told apart from the other. */
  async function intervals(table: string, schema = 'Raw'): Promise<string[]> {
    const found = (await dwh.rows(
      `SELECT "FROM", "TO", DENSE_RANK() OVER (ORDER BY LogID) FROM ${schema}.BatchInterval
       WHERE TableName = '${`${schema}.${table}`.toUpperCase()}' ORDER BY "FROM"`,
    )) as Array<[string, string, number]>;
    const short = (text: string): string => text.replace(`${DAY}T`, '').replace(':00.000Z', '');
    return found.map(([from, to, batch]) => `${short(from)}-${short(to)} by ${batch}`);
  }

  it('gets the window of each run of a Schedule, once, with its first moment and without its last', async () => {
    await made('orders', '09:59:59.999999', '10:00', '10:29:59.999999', '10:30', '11:10', '11:30');
    const scheduleId = `orders-${randomUUID()}`;
    const schedule = await rig.client.schedule.create({
      scheduleId,
      spec: { intervals: [{ every: '30m' }] },
      action: {
        ...{ type: 'startWorkflow', workflowType: 'incrementalTransfer', workflowId: scheduleId },
        ...{ taskQueue: rig.taskQueue, args: [input('orders')] },
      },
      // Not disturbed by a run of now, which would fill holes.
      state: { paused: true },
    });
    const backfill = async (runs: number): Promise<void> => {
      const [start, end] = ['10:30', '11:30'].map((clock) => new Date(`${DAY}T${clock}:00Z`));
      await schedule.backfill({ start: start!, end: end!, overlap: ScheduleOverlapPolicy.BUFFER_ALL });
      await vi.waitUntil(
        () => {
          const ended = rig.rows(
            'audit/Audit',
            `SELECT LogID FROM PipelineLog WHERE ScheduleID = '${scheduleId}' AND Status = 'Success'`,
          );
          return ended.length === runs;
        },
        { timeout: 60_000 },
      );
    };
    try {
      await backfill(3);
      expect(await ids('orders')).toEqual([2, 3, 4, 5]);
      const own = ['10:00-10:30 by 1', '10:30-11:00 by 2', '11:00-11:30 by 3'];
      expect(await intervals('orders')).toEqual(own);
      await backfill(6);
      expect(await ids('orders')).toEqual([2, 3, 4, 5]);
      expect(await intervals('orders')).toEqual(own);
    } finally {
      await schedule.delete();
    }
  });

  it('gets the holes of several tables by the next run, of each its own', async () => {
    await made('headers', '09:10', '09:40', '10:10');
    await made('lines', '09:10', '09:40', '10:10');
    const tables = [
      { from: 'app.headers', to: 'Raw.Headers' },
      { from: 'app.lines', to: 'Sales.Lines' },
    ];
    await move('headers', '09:30');
    await move('lines', '10:00', { tables: tables.slice(1) });
    expect(await move('', '10:30', { tables })).toMatchObject({ rowsProcessed: 3, recordCountAfter: 5 });
    expect(await ids('headers')).toEqual([1, 2, 3]);
    expect(await intervals('headers')).toEqual(['09:00-09:30 by 1', '09:30-10:30 by 2']);
    expect(await dwh.rows('SELECT id FROM Sales.Lines ORDER BY id')).toEqual([[2], [3]]);
    expect(await intervals('lines', 'Sales')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
    expect(await move('', '10:30', { tables })).toMatchObject({ rowsProcessed: 0 });
  });

  it.each(['timestamptz', 'timestamp'])(
    'gets a window again with force by a %s, in place of its rows, and splits what was moved as one',
    async (type) => {
      const table = `forced_${type}`;
      await made(table, '10:29:59.999999', '10:30', '10:40', '10:59:59.999999', '11:00');
      await shop.query(`ALTER TABLE app.${table} ALTER at TYPE ${type}`);
      await move(table, '11:30', { window: '90m' });
      await shop.query(`DELETE FROM app.${table} WHERE id = 3; UPDATE app.${table} SET note = 'new'`);
      await add(table, '10:45');
      await dwh.run(`INSERT INTO Raw.${table} SELECT 77, '${DAY} 10:41:00', 'by hand', 4711, SYSDATE()`);
      expect(await move(table, '11:00', { force: true })).toMatchObject({
        ...{ rowsProcessed: 3, recordCountBefore: 6, recordCountAfter: 6 },
      });
      expect(await notes(table)).toEqual([
        ...[
          [1, null],
          [2, 'new'],
          [4, 'new'],
          [5, null],
          [6, null],
          [77, 'by hand'],
        ],
      ]);
      expect(await intervals(table)).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2', '11:00-11:30 by 1']);
    },
  );

  it('gets late rows by the overlap, merged by key', async () => {
    await made('late', '10:20', '10:29');
    await move('late', '10:30', { mode: 'merge' });
    await add('late', '10:28', '10:05', '10:40');
    await shop.query(`UPDATE app.late SET note = 'changed' WHERE id = 2`);
    expect(await move('late', '11:00', { mode: 'merge', overlap: '5m' })).toMatchObject({
      ...{ rowsProcessed: 3, recordCountBefore: 2, recordCountAfter: 4 },
    });
    expect(await notes('late')).toEqual([
      [1, null],
      [2, 'changed'],
      [3, null],
      [5, null],
    ]);
    expect(await intervals('late')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  it('gets a table by few statements in a transaction, each of which costs a part of a second', async () => {
    await made('brief', '10:10', '10:40');
    await move('brief', '10:30', { mode: 'merge' });
    const before = (await snowflake!.statements()).length;
    await move('brief', '11:00', { mode: 'merge' });
    const run = (await snowflake!.statements()).slice(before).map(({ text }) => text.trim().split(/\s/)[0]!);
    const transaction = run.slice(run.indexOf('BEGIN') + 1, run.indexOf('COMMIT'));
    expect(transaction).toEqual([
      // The lock; what is there; which intervals are in, and the new ones; what comes, also beside what is there.
      ...['UPDATE', 'SELECT', 'SELECT', 'INSERT', 'SELECT', 'SELECT'],
      // The rows, those of the same keys first; the ledger; what is there now.
      ...['MERGE', 'INSERT', 'INSERT', 'SELECT'],
    ]);
  });

  it('gets keys up to the largest that their type has', async () => {
    await shop.query(`CREATE TABLE app.keys (id int PRIMARY KEY); INSERT INTO app.keys VALUES (-5), (3)`);
    const byKey = { cursor: 'ID', window: undefined };
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 2 });
    await shop.query('INSERT INTO app.keys VALUES (2147483647)');
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 1 });
    expect(await move('keys', undefined, byKey)).toMatchObject({ rowsProcessed: 0 });
    expect(await intervals('keys')).toEqual(['-5-4 by 1', '4-2147483648 by 2']);
    expect(await move('keys', undefined, { ...byKey, force: true })).toMatchObject({ rowsProcessed: 3 });
    expect(await ids('keys')).toEqual([-5, 3, 2147483647]);
  });

  it('gets again what a batch had moved that is reset, in place of it', async () => {
    await made('again', '10:10', '10:40');
    await move('again', '10:30');
    const run = await start('again', '11:00');
    await rig.resultOf(run);
    await shop.query(`UPDATE app.again SET note = 'new'`);
    // To the end of its first workflow task.
    const { runId } = await rig.client.workflowService.resetWorkflowExecution(
      temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
        ...{ namespace: 'default', workflowExecution: run, requestId: randomUUID(), reason: 'test' },
        workflowTaskFinishEventId: 4,
      }),
    );
    expect(await rig.resultOf({ ...run, runId })).toMatchObject({ rowsProcessed: 1, recordCountAfter: 2 });
    expect(await notes('again')).toEqual([
      [1, null],
      [2, 'new'],
    ]);
    expect(await intervals('again')).toEqual(['10:00-10:30 by 1', '10:30-11:00 by 2']);
  });

  describe('runs at once', () => {
    /** Starts the runs while nobody can load into the table, and answers who holds it when all of them wait. */
    async function behind(
      table: string,
      starting: () => Promise<Run[]>,
    ): Promise<{ runs: Run[]; holder: SnowflakeClient }> {
      const holder = await SnowflakeClient.open(snowflake!.url);
      await holder.run('BEGIN');
      await holder.run(
        `UPDATE Raw.BatchLock SET RunID = 'other' WHERE TableName = 'RAW.${table.toUpperCase()}'`,
      );
      const before = (await snowflake!.statements()).length;
      const runs = await starting();
      const waiting = async (): Promise<number> =>
        (await snowflake!.statements()).slice(before).filter(({ text }) => /^UPDATE .*BATCHLOCK/.test(text))
          .length;
      await vi.waitUntil(async () => (await waiting()) >= runs.length, { timeout: 30_000 });
      return { runs, holder };
    }

    it('for the same window move it once', async () => {
      await made('twins', '10:10', '10:20');
      await move('twins', '10:00');
      const { runs, holder } = await behind('twins', () =>
        Promise.all([start('twins', '10:30'), start('twins', '10:30')]),
      );
      await holder.run('COMMIT');
      await holder.close();
      const results = (await Promise.all(runs.map((run) => rig.resultOf(run)))) as Array<{
        rowsProcessed: number;
      }>;
      expect(results.map(({ rowsProcessed }) => rowsProcessed).sort()).toEqual([0, 2]);
      expect(await ids('twins')).toEqual([1, 2]);
      expect(await intervals('twins')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
      const overtaken = runs[results.findIndex(({ rowsProcessed }) => rowsProcessed === 0)]!;
      const { batch, events } = await rig.batchOf(overtaken);
      expect(batch).toMatchObject({ Status: 'Success', RowsProcessed: 0, RetryStatus: null });
      const [load] = events.filter((one) => one.StepName === 'loadTables' && one.EventType === 'success');
      expect(load!.Message).toContain(
        `Raw.twins: ${DAY}T10:00:00.000Z to ${DAY}T10:30:00.000Z was moved by batch`,
      );
    });

    it('do not merge an older state of a row over a newer one', async () => {
      await made('raced', '09:50');
      await move('raced', '10:00', { mode: 'merge' });
      await shop.query(`UPDATE app.raced SET at = '${DAY} 10:10', note = 'older'`);
      const { runs, holder } = await behind('raced', async () => [
        await start('raced', '10:30', { mode: 'merge' }),
      ]);
      await shop.query(`UPDATE app.raced SET at = '${DAY} 10:40', note = 'newer'`);
      // As a run of the next window leaves it, which read the row later and was here first.
      await holder.run(
        `UPDATE Raw.raced SET "AT" = CAST('${DAY} 10:40:00 +00:00' AS TIMESTAMP_TZ), note = 'newer'`,
      );
      await holder.run('COMMIT');
      await holder.close();
      expect(await rig.resultOf(runs[0]!)).toMatchObject({ rowsProcessed: 0 });
      expect(await notes('raced')).toEqual([[1, 'newer']]);
      expect(await intervals('raced')).toEqual(['09:30-10:00 by 1', '10:00-10:30 by 2']);
    });
  });
});
