/** Transfers that are done again: what the batch before had loaded makes room, in the transaction that loads it anew. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayFrom, ReplayOutcome } from '../../src/domain/replay.js';
import type { Plan } from '../../src/cli/planReplay.js';
import { runCli } from '../cli/runCli.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import { temporalAddress } from '../support/temporal.js';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import { OWN_PLACES, Rig } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Replayed transfers to PostgreSQL');
const snowflake = await ifPossible(startSnowflake(), 'Replayed transfers to Snowflake');
const sqlServerUrl = mssqlUrl('Replayed transfers to SQL Server');
let rig: Rig;
let db: pg.Client | undefined;
let warehouse: SnowflakeClient | undefined;
let sqlServer: MssqlServer | undefined;
/** Elsewhere DWH. */
let sqlServerSchema = '';

beforeAll(async () => {
  rig = await Rig.open(() => ({
    ...(server ? { pg: { url: server.url } } : {}),
    ...(snowflake ? { snow: { url: snowflake.url } } : {}),
    ...(sqlServerUrl ? { mssql: { url: sqlServerUrl } } : {}),
  }));
  if (sqlServerUrl) {
    sqlServer = await MssqlServer.open(sqlServerUrl);
    sqlServerSchema = sqlServer.newSchema('DWH');
  }
  if (snowflake) warehouse = await SnowflakeClient.open(snowflake.url);
  if (!server) return;
  db = new pg.Client(server.url);
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await rig?.close();
  await warehouse?.close();
  await sqlServer?.close();
  await Promise.all([server?.stop(), snowflake?.stop()]);
});

function source(sql: string): void {
  const file = rig.database('source/app');
  file.exec(sql);
  file.close();
}

/** These batches succeeded: a failed one that had loaded would need a worker that dies in the very moment between. */
async function replay({ batch }: BatchRecord, from: ReplayFrom = 'start'): Promise<ReplayOutcome> {
  const run = await rig.start('replayBatch', { batchId: batch.LogID, force: true, from });
  return (await rig.resultOf(run)) as ReplayOutcome;
}

async function replayed(record: BatchRecord, from?: ReplayFrom): Promise<BatchRecord> {
  const outcome = await replay(record, from);
  if ('refused' in outcome) throw new Error(outcome.refused);
  expect(outcome).toMatchObject({ status: 'Success' });
  return rig.batchOf(outcome);
}

/** What the command line says that a replay would do. */
async function planned({ batch }: BatchRecord): Promise<Plan[]> {
  const { folder: cwd, connections, taskQueue } = rig;
  const config = { audit: { url: 'sqlite:./audit' }, connections, worker: { taskQueue } };
  writeFileSync(join(cwd, 'batchtrail.yaml'), JSON.stringify(config));
  const { code, stdout, stderr } = await runCli(
    ['replay', String(batch.LogID), '--force', '--dry-run', '--json'],
    {
      cwd,
      env: { TEMPORAL_ADDRESS: temporalAddress() },
    },
  );
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Plan[];
}

/** The answer, and after a change nothing. */
const TARGETS = {
  sqlite: {
    places: OWN_PLACES,
    run: async (sql: string) => {
      const file = rig.database('target/DWH');
      const statement = file.prepare(sql.replaceAll('dwh.', ''));
      const rows = statement.reader ? statement.raw().all() : void statement.run();
      file.close();
      return rows ?? [];
    },
  },
  pg: {
    places: { ...OWN_PLACES, target: 'pg' },
    run: async (sql: string) => (await db!.query<unknown[]>({ text: sql, rowMode: 'array' })).rows,
  },
  snow: {
    places: { ...OWN_PLACES, target: 'snow' },
    run: (sql: string) => warehouse!.rows(sql),
  },
  mssql: {
    places: { ...OWN_PLACES, target: 'mssql' },
    run: (sql: string) => sqlServer!.rows(sql.replaceAll('dwh.', `${sqlServerSchema}.`)),
  },
};
const there = {
  ...{ sqlite: true, pg: server !== undefined },
  ...{ snow: snowflake !== undefined, mssql: sqlServerUrl !== undefined },
};
const ENGINES = (['sqlite', 'pg', 'snow', 'mssql'] as const).filter((on) => there[on]);

const targetTable = (on: (typeof ENGINES)[number], table: string): string =>
  `${on === 'mssql' ? sqlServerSchema : 'DWH'}.${table}`;

/** With numbers as numbers, which some drivers give as texts. */
async function rowsOf(on: (typeof ENGINES)[number], sql: string): Promise<unknown[][]> {
  const rows = (await TARGETS[on].run(sql)) as unknown[][];
  return rows.map((row) =>
    row.map((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value)),
  );
}

it.each(ENGINES)(
  'what a batch had appended to %s is there once, as the replay brought it',
  async (on) => {
    const { places } = TARGETS[on];
    const table = `again_${on}`;
    source(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO ${table} VALUES (1, 'a'), (2, 'b')`,
    );
    const transfer = () =>
      rig.start('historicalTransfer', {
        ...{ ...places, tables: [{ from: `app.${table}`, to: targetTable(on, table) }], mode: 'append' },
      });
    const other = await rig.batchOf(await transfer());
    const first = await rig.batchOf(await transfer());
    source(`UPDATE ${table} SET note = 'B' WHERE id = 2`);
    const [plan] = await planned(first);
    expect(plan).toMatchObject({ from: 'start', replaces: [{ connection: places.target, rows: 2 }] });
    expect(plan!.replaces![0]!.table.toLowerCase()).toBe(targetTable(on, table).toLowerCase());

    const again = await replayed(first);
    const [one, two] = [other, again].map(({ batch }) => batch.LogID);
    expect(await rowsOf(on, `SELECT id, note, BatchID FROM dwh.${table} ORDER BY BatchID, id`)).toEqual([
      ...[
        [1, 'a', one],
        [2, 'b', one],
      ],
      ...[
        [1, 'a', two],
        [2, 'B', two],
      ],
    ]);
    const ledger = `SELECT DISTINCT LogID FROM dwh.BatchLoad WHERE LOWER(TableName) LIKE '%${table}' ORDER BY LogID`;
    expect(await rowsOf(on, ledger)).toEqual([[one], [two]]);
  },
  60_000,
);

it.each(ENGINES)(
  'from the failure, what was read for %s before it is loaded as it was, once, under the same number',
  async (on) => {
    const { places, run } = TARGETS[on];
    const table = `failed_${on}`;
    source(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO ${table} VALUES (1, 'a'), (2, 'b')`,
    );
    const transfer = () =>
      rig.start('historicalTransfer', {
        ...{ ...places, tables: [{ from: `app.${table}`, to: targetTable(on, table) }], mode: 'replace' },
      });
    await rig.batchOf(await transfer());
    // What no ledger lists, nobody replaces.
    await run(
      `INSERT INTO dwh.${table} (id, note, BatchID, LoadedAt) SELECT 3, note, 999999, LoadedAt FROM dwh.${table} WHERE id = 1`,
    );
    const started = await transfer();
    expect((await rig.failureOf(started)).type).toBe('UnlistedRows');
    const failed = await rig.batchOf(started);
    await run(`DELETE FROM dwh.${table} WHERE BatchID = 999999`);
    source(`UPDATE ${table} SET note = 'B' WHERE id = 2`);

    const again = await replayed(failed, 'failure');
    const { LogID } = failed.batch;
    expect(again.batch).toMatchObject({ LogID, Status: 'Success', Resolution: 'replayed' });
    expect(await rowsOf(on, `SELECT id, note, BatchID FROM dwh.${table} ORDER BY id`)).toEqual([
      [1, 'a', LogID],
      [2, 'b', LogID],
    ]);
    const ledger = `SELECT LogID, Rows FROM dwh.BatchLoad WHERE LOWER(TableName) LIKE '%${table}'`;
    expect(await rowsOf(on, on === 'snow' ? ledger.replace('Rows', '"ROWS"') : ledger)).toEqual([[LogID, 2]]);
  },
  60_000,
);

it('what was merged, and is no longer read, stays as the batch before had left it', async () => {
  source(`CREATE TABLE merged (id INTEGER PRIMARY KEY, flag INTEGER, note TEXT);
    INSERT INTO merged VALUES (1, 1, 'a'), (2, 1, 'b')`);
  const run = await rig.start('historicalTransfer', {
    ...{ ...OWN_PLACES, tables: [{ from: 'app.merged', to: 'DWH.merged', where: 'flag = 1' }] },
    mode: 'merge',
  });
  const first = await rig.batchOf(run);
  source(`UPDATE merged SET flag = 0 WHERE id = 2; UPDATE merged SET note = 'A' WHERE id = 1`);
  const again = await replayed(first);
  expect(rig.rows('target/DWH', 'SELECT id, note, BatchID FROM merged ORDER BY id')).toEqual([
    [1n, 'A', BigInt(again.batch.LogID)],
    [2n, 'b', BigInt(first.batch.LogID)],
  ]);
});

it('without a Schedule, too, a replay moves the window that the failed run had to move', async () => {
  const now = Date.now();
  const at = (msAgo: number): string => new Date(now - msAgo).toISOString();
  source(
    `CREATE TABLE early (id INTEGER PRIMARY KEY, at TIMESTAMP); INSERT INTO early VALUES (1, '${at(1_500)}')`,
  );
  const run = await rig.start('incrementalTransfer', {
    ...{ ...OWN_PLACES, tables: [{ from: 'app.early', to: 'DWH.early' }], cursor: 'at' },
    ...{ window: '1s', mode: 'append' },
  });
  const first = await rig.batchOf(run);
  const windows = (): unknown[] =>
    rig.rows('target/DWH', `SELECT "From", "To" FROM BatchInterval WHERE TableName = 'DWH.early'`);
  const before = windows();
  await replayed(first);
  expect(windows()).toEqual(before);
});

it('rows that no ledger lists are left alone, and the replay fails', async () => {
  source(`CREATE TABLE strange (id INTEGER PRIMARY KEY); INSERT INTO strange VALUES (1)`);
  const run = await rig.start('historicalTransfer', {
    ...{ ...OWN_PLACES, tables: [{ from: 'app.strange', to: 'DWH.strange' }], mode: 'append' },
  });
  const first = await rig.batchOf(run);
  const target = rig.database('target/DWH');
  target.exec('INSERT INTO strange SELECT 2, BatchID, LoadedAt FROM strange');
  target.close();

  const outcome = await replay(first);
  expect(outcome).toMatchObject({ status: 'Error' });
  expect('error' in outcome && outcome.error).toContain(`holds 2 rows with BatchID ${first.batch.LogID}`);
  expect(rig.rows('target/DWH', 'SELECT id FROM strange ORDER BY id')).toEqual([[1n], [2n]]);
});

it('all that a batch had moved is moved again, also when others have moved on since', async () => {
  source(`CREATE TABLE keys (id INTEGER PRIMARY KEY); INSERT INTO keys VALUES (1), (2)`);
  const transfer = async (): Promise<BatchRecord> =>
    rig.batchOf(
      await rig.start('incrementalTransfer', {
        ...{ ...OWN_PLACES, tables: [{ from: 'app.keys', to: 'DWH.keys' }], cursor: 'id', mode: 'append' },
      }),
    );
  const first = await transfer();
  source('INSERT INTO keys VALUES (3)');
  const second = await transfer();
  source('INSERT INTO keys VALUES (4)');

  const again = await replayed(first);
  const [other, own] = [second, again].map(({ batch }) => BigInt(batch.LogID));
  expect(rig.rows('target/DWH', 'SELECT id, BatchID FROM keys ORDER BY id')).toEqual([
    ...[
      [1n, own],
      [2n, own],
    ],
    ...[
      [3n, other],
      [4n, own],
    ],
  ]);
});

it("a scheduled run's replay moves the window of its own nominal time", async () => {
  source(`CREATE TABLE orders (id INTEGER PRIMARY KEY, at TIMESTAMP);
    INSERT INTO orders VALUES (1, '2025-11-01 06:10'), (2, '2025-11-01 06:40')`);
  const scheduleId = `orders-${randomUUID()}`;
  const schedule = await rig.client.schedule.create({
    scheduleId,
    spec: { intervals: [{ every: '30m' }] },
    state: { paused: true },
    action: {
      ...{ type: 'startWorkflow', workflowType: 'incrementalTransfer', taskQueue: rig.taskQueue },
      args: [
        {
          ...{ ...OWN_PLACES, tables: [{ from: 'app.orders', to: 'DWH.orders' }] },
          ...{ cursor: 'at', window: '30m', mode: 'append' },
        },
      ],
    },
  });
  try {
    const due = new Date('2025-11-01T06:30:00Z');
    await schedule.backfill({ start: due, end: due, overlap: ScheduleOverlapPolicy.ALLOW_ALL });
    const runID = await vi.waitUntil(
      () =>
        rig.reading(
          async (audit) =>
            (await audit.batches({})).find(({ ScheduleID }) => ScheduleID === scheduleId)?.RunID,
        ),
      30_000,
    );
    const first = await rig.batchOf({ workflowId: '', runId: runID });
    // Late, and in the window; and one that is in a later one.
    source(`INSERT INTO orders VALUES (3, '2025-11-01 06:20')`);

    const again = await replayed(first);
    expect(again.batch).toMatchObject({
      ...{ ScheduleID: scheduleId, ScheduledTime: due.toISOString(), ReplayOfLogID: first.batch.LogID },
    });
    const logID = BigInt(again.batch.LogID);
    expect(rig.rows('target/DWH', 'SELECT id, BatchID FROM orders ORDER BY id')).toEqual([
      ...[
        [1n, logID],
        [3n, logID],
      ],
    ]);
    expect(
      rig.rows('target/DWH', `SELECT "From", LogID FROM BatchInterval WHERE TableName = 'DWH.orders'`),
    ).toEqual([['2025-11-01T06:00:00.000Z', logID]]);
  } finally {
    await schedule.delete();
  }
});
