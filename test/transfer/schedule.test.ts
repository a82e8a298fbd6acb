/** Incremental transfers on Schedules: the documentation's own commands, run by the Temporal CLI against its dev server. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { docCommands } from '../support/docCommands.js';
import { temporalAddress, temporalCli } from '../support/temporal.js';
import { Rig } from './rig.js';
import { WorkerProcess } from './workerProcess.js';

const run = promisify(execFile);
const scheduleIDs = new Set<string>();
let rig: Rig;

beforeAll(async () => {
  rig = await Rig.open((folder) => ({
    shop: { url: `sqlite:${join(folder, 'source')}` },
    dwh: { url: `sqlite:${join(folder, 'target')}` },
  }));
});
afterAll(async () => {
  for (const id of scheduleIDs) await temporal('schedule', 'delete', '--schedule-id', id);
  await rig?.close();
});

async function temporal(...words: string[]): Promise<string> {
  const { stdout } = await run(temporalCli(), [...words, '--address', temporalAddress()]);
  return stdout;
}

/** A command of docs/transfers.md, with what is different here. */
function documented(start: string, change: (text: string) => string = (text) => text): string[] {
  const words = docCommands('docs/transfers.md').find((command) => command.join(' ').startsWith(start));
  expect(words, `docs/transfers.md has no command ${start}`).toBeDefined();
  return words!.slice(1).map((word) => (word === 'etl' ? rig.taskQueue : change(word)));
}

/** The documentation's Schedule, under this name, of this table and pace. */
async function createSchedule(id: string, table: string, pace: string): Promise<void> {
  const words = documented('temporal schedule create', (word) =>
    word === 'orders'
      ? id
      : word === '30m'
        ? pace
        : word.replaceAll('Orders', table).replace('"30m"', `"${pace}"`),
  );
  scheduleIDs.add(id);
  await temporal(...words);
}

const named =
  (id: string): ((word: string) => string) =>
  (word) =>
    word === 'orders' ? id : word;
const pause = (id: string): Promise<unknown> =>
  temporal(...documented('temporal schedule toggle --schedule-id orders --pause', named(id)));
const unpause = (id: string): Promise<unknown> =>
  temporal(...documented('temporal schedule toggle --schedule-id orders --unpause', named(id)));

function backfill(id: string, from: string, to: string, policy: string): Promise<unknown> {
  const clock: Record<string, string> = {
    ...{ orders: id, BufferAll: policy },
    ...{ '2025-11-01T06:30:00Z': `2025-11-01T${from}:00Z`, '2025-11-01T12:00:00Z': `2025-11-01T${to}:00Z` },
  };
  return temporal(...documented('temporal schedule backfill', (word) => clock[word] ?? word));
}

function source(sql: string): void {
  const db = rig.database('source/app');
  db.exec(sql);
  db.close();
}

interface Moved {
  readonly from: string;
  readonly to: string;
  readonly batch: number;
}

function intervals(table: string): Moved[] {
  const [[isThere]] = rig.rows(
    'target/Raw',
    `SELECT count(*) FROM sqlite_schema WHERE name = 'BatchInterval'`,
  ) as [[bigint]];
  if (isThere === 0n) return [];
  const rows = rig.rows(
    'target/Raw',
    `SELECT "From", "To", LogID FROM BatchInterval WHERE TableName = 'Raw.${table}' ORDER BY "From"`,
  ) as Array<[string, string, bigint]>;
  return rows.map(([from, to, batch]) => ({ from, to, batch: Number(batch) }));
}

const ids = (table: string): number[] =>
  (rig.rows('target/Raw', `SELECT ID FROM ${table} ORDER BY ID`) as Array<[bigint]>).map(([id]) =>
    Number(id),
  );

/** What the audit has of this Schedule's batches. */
function batches(id: string): Array<{ batch: number; due: string; status: string }> {
  const rows = rig.rows(
    'audit/Audit',
    `SELECT LogID, ScheduledTime, Status FROM PipelineLog WHERE ScheduleID = '${id}' ORDER BY LogID`,
  ) as Array<[bigint, string, string]>;
  return rows.map(([batch, due, status]) => ({ batch: Number(batch), due, status }));
}

/** How many runs the Schedule has started. */
async function actions(id: string): Promise<number> {
  return (await rig.client.schedule.getHandle(id).describe()).info.numActionsTaken;
}

const untilEnded = (id: string, count: number): Promise<unknown> =>
  vi.waitUntil(() => batches(id).length >= count && batches(id).every(({ status }) => status !== 'Running'), {
    timeout: 60_000,
  });

/** A row in each half hour from 06:00 to 12:00. */
function made(table: string): void {
  source(`CREATE TABLE ${table} (ID INTEGER PRIMARY KEY, UpdatedAt TIMESTAMP);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11)
    INSERT INTO ${table} SELECT i, datetime('2025-11-01 06:10', (i * 30) || ' minutes') FROM n`);
}

describe('a Schedule', () => {
  it('is backfilled: each run moves exactly its own window, a second time nothing, and with force again', async () => {
    made('Orders');
    await createSchedule('orders', 'Orders', '30m');
    // Not disturbed by a run of now, which would fill holes.
    await pause('orders');
    await temporal(...documented('temporal schedule backfill'));
    await untilEnded('orders', 12);
    expect(ids('Orders')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const half = 30 * 60_000;
    const own = batches('orders').map(({ batch, due }) => ({
      ...{ batch, to: due, from: new Date(Date.parse(due) - half).toISOString() },
    }));
    expect(own).toHaveLength(12);
    expect(intervals('Orders')).toEqual(own);
    await backfill('orders', '06:30', '08:00', 'AllowAll');
    await untilEnded('orders', 16);
    expect(intervals('Orders')).toEqual(own);
    expect(ids('Orders')).toHaveLength(12);
    expect(batches('orders').every(({ status }) => status === 'Success')).toBe(true);

    source(`DELETE FROM Orders WHERE ID = 8`);
    await temporal(...documented('temporal workflow start --type incrementalTransfer'));
    await temporal('workflow', 'result', '--workflow-id', 'orders-again');
    expect(ids('Orders')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11]);
    const again = intervals('Orders').filter(({ batch }) => !own.some((one) => one.batch === batch));
    expect(again).toMatchObject([{ from: '2025-11-01T10:00:00.000Z', to: '2025-11-01T10:30:00.000Z' }]);
  });

  it('overlaps: runs at once move each row once', async () => {
    made('Overlaps');
    await createSchedule('overlaps', 'Overlaps', '30m');
    await pause('overlaps');
    await backfill('overlaps', '06:30', '12:00', 'AllowAll');
    await createSchedule('overlaps-too', 'Overlaps', '30m');
    await pause('overlaps-too');
    await backfill('overlaps-too', '06:30', '12:00', 'AllowAll');
    await untilEnded('overlaps', 12);
    await untilEnded('overlaps-too', 12);
    expect(ids('Overlaps')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const covered = intervals('Overlaps').reduce(
      (ms, { from, to }) => ms + Date.parse(to) - Date.parse(from),
      0,
    );
    expect(covered).toBe(6 * 3_600_000);
    const all = [...batches('overlaps'), ...batches('overlaps-too')];
    expect(all.every(({ status }) => status === 'Success')).toBe(true);
  });

  it('fires, is paused, and fills the hole by its first run after that', async () => {
    const pace = 2_000;
    source('CREATE TABLE Live (ID INTEGER PRIMARY KEY, UpdatedAt TIMESTAMP)');
    const insert = (): void =>
      source(`INSERT INTO Live (UpdatedAt) VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'))`);
    await createSchedule('live', 'Live', '2s');
    await vi.waitUntil(() => intervals('Live').length > 0, { timeout: 30_000 });
    insert();
    await vi.waitUntil(() => ids('Live').length === 1, { timeout: 30_000 });
    await pause('live');
    const before = await vi.waitUntil(
      async () => {
        const started = await actions('live');
        const ended = batches('live').filter(({ status }) => status !== 'Running').length;
        return started === ended ? started : undefined;
      },
      { timeout: 30_000 },
    );
    const inBefore = intervals('Live').at(-1)!.to;
    insert();
    const pausedAt = Date.now();
    await vi.waitUntil(() => Date.now() > pausedAt + 3 * pace, { timeout: 30_000 });
    expect(await actions('live')).toBe(before);
    await unpause('live');
    await vi.waitUntil(() => ids('Live').length === 2, { timeout: 30_000 });
    const [hole] = intervals('Live').filter(({ from }) => from === inBefore);
    expect(Date.parse(hole!.to) - Date.parse(hole!.from)).toBeGreaterThan(3 * pace);
    expect(hole!.batch).toBe(batches('live')[before]!.batch);
  });
});

it('a worker whose clock is wrong moves the window of the Schedule’s nominal time', async () => {
  made('Clocks');
  await createSchedule('clocks', 'Clocks', '30m');
  await pause('clocks');
  const worker = await WorkerProcess.inPlaceOf(rig, { clockOffsetMs: -40 * 86_400_000 });
  await worker.start();
  try {
    await backfill('clocks', '07:30', '07:30', 'AllowAll');
    await temporal('schedule', 'trigger', '--schedule-id', 'clocks');
    await untilEnded('clocks', 2);
  } finally {
    await worker.kill();
  }
  const ends = new Map(batches('clocks').map(({ batch, due }) => [batch, due]));
  expect(intervals('Clocks').map(({ to }) => to)).toEqual(
    intervals('Clocks').map(({ batch }) => ends.get(batch)),
  );
  expect(intervals('Clocks')[0]).toMatchObject({
    from: '2025-11-01T07:00:00.000Z',
    to: '2025-11-01T07:30:00.000Z',
  });
});

it('a worker whose clock is ahead leaves what other batches have staged', async () => {
  made('Ahead');
  const worker = await WorkerProcess.inPlaceOf(rig, { clockOffsetMs: 40 * 86_400_000 });
  const [[store]] = rig.rows('audit/Audit', 'SELECT StoreID FROM Store') as [[string]];
  const folder = join(rig.folder, 'staging', store, '999999', '1.t');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '1.csv.gz'), '');
  await worker.start();
  try {
    await rig.transfer({ tables: [{ from: 'app.Ahead', to: 'Raw.Ahead' }], mode: 'append' });
  } finally {
    await worker.kill();
  }
  expect(readdirSync(folder)).toEqual(['1.csv.gz']);
});
