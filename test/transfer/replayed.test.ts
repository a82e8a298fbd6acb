/** Transfers that are done again: what the batch before had loaded makes room, in the transaction that loads it anew. */
import { randomUUID } from 'node:crypto';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayOutcome } from '../../src/domain/replay.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import { OWN_PLACES, Rig } from './rig.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Replayed transfers to PostgreSQL');
const sqlServerUrl = mssqlUrl('Replayed transfers to SQL Server');
let rig: Rig;
let db: pg.Client | undefined;
let sqlServer: MssqlServer | undefined;
let sqlServerSchema = '';

beforeAll(async () => {
  rig = await Rig.open(() => ({
    ...(server ? { pg: { url: server.url } } : {}),
    ...(sqlServerUrl ? { mssql: { url: sqlServerUrl } } : {}),
  }));
  if (sqlServerUrl) {
    sqlServer = await MssqlServer.open(sqlServerUrl);
    sqlServerSchema = sqlServer.newSchema('DWH');
  }
  if (!server) return;
  db = new pg.Client(server.url);
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await rig?.close();
  await sqlServer?.close();
  await server?.stop();
});

function source(sql: string): void {
  const file = rig.database('source/app');
  file.exec(sql);
  file.close();
}

/** These batches succeeded: a failed one that had loaded would need a worker that dies in the very moment between. */
async function replay({ batch }: BatchRecord): Promise<ReplayOutcome> {
  const run = await rig.start('replayBatch', { batchId: batch.LogID, force: true });
  return (await rig.resultOf(run)) as ReplayOutcome;
}

async function replayed(record: BatchRecord): Promise<BatchRecord> {
  const outcome = await replay(record);
  if ('refused' in outcome) throw new Error(outcome.refused);
  expect(outcome).toMatchObject({ status: 'Success' });
  return rig.batchOf(outcome);
}

const TARGETS = {
  sqlite: {
    places: OWN_PLACES,
    schema: () => 'DWH',
    rows: (sql: string) => Promise.resolve(rig.rows('target/DWH', sql.replaceAll('dwh.', ''))),
  },
  pg: {
    places: { ...OWN_PLACES, target: 'pg' },
    schema: () => 'DWH',
    rows: async (sql: string) => (await db!.query<unknown[]>({ text: sql, rowMode: 'array' })).rows,
  },
  mssql: {
    places: { ...OWN_PLACES, target: 'mssql' },
    schema: () => sqlServerSchema,
    rows: (sql: string) => sqlServer!.rows(sql.replaceAll('dwh.', `${sqlServerSchema}.`)),
  },
};
const HERE = { sqlite: true, pg: server !== undefined, mssql: sqlServerUrl !== undefined };

it.each((['sqlite', 'pg', 'mssql'] as const).filter((on) => HERE[on]))(
  'what a batch had appended to %s is there once, as the replay brought it',
  async (on) => {
    const { places, schema, rows } = TARGETS[on];
    const table = `again_${on}`;
    source(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO ${table} VALUES (1, 'a'), (2, 'b')`,
    );
    const transfer = async (): Promise<BatchRecord> => {
      const run = await rig.start('historicalTransfer', {
        ...{ ...places, tables: [{ from: `app.${table}`, to: `${schema()}.${table}` }] },
        mode: 'append',
      });
      await rig.resultOf(run);
      return rig.batchOf(run);
    };
    const other = await transfer();
    const first = await transfer();
    source(`UPDATE ${table} SET note = 'B' WHERE id = 2`);

    const again = await replayed(first);
    const [one, two] = [other, again].map(({ batch }) => batch.LogID);
    const found = (await rows(
      `SELECT id, note, BatchID FROM dwh.${table} ORDER BY BatchID, id`,
    )) as unknown[][];
    expect(found.map(([id, note, batch]) => [Number(id), note, Number(batch)])).toEqual([
      ...[
        [1, 'a', one],
        [2, 'b', one],
      ],
      ...[
        [1, 'a', two],
        [2, 'B', two],
      ],
    ]);
    const ledger = (await rows(
      `SELECT DISTINCT LogID FROM dwh.BatchLoad WHERE TableName LIKE '%${table}' ORDER BY LogID`,
    )) as unknown[][];
    expect(ledger.map(([logID]) => Number(logID))).toEqual([one, two]);
  },
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
