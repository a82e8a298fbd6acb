/** Workers are killed at random moments of transfers, and every row is there once: G7. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../src/dev/seededRandom.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startS3 } from '../endpoints/s3.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import type { Run } from './rig.js';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import { OWN_PLACES, Rig } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';
import { WorkerProcess } from './workerProcess.js';

/** The long form: TEST_KILLS=30. */
const KILLS = Number(process.env.TEST_KILLS ?? 3);
const ROWS = 20_000;
/** A transfer of so many rows takes about this long here, so a moment of it is as likely as another. */
const LONGEST_LIFE_MS = 2_500;
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 100_000);

const server = await ifPossible(startPostgres({ fsync: false }), 'Killed transfers of PostgreSQL');
// What a killed worker has locked is free soon, and not only after five minutes.
const snowflake = await ifPossible(startSnowflake({ idleSeconds: 2 }), 'Killed transfers to Snowflake');
const s3 = snowflake && (await ifPossible(startS3(), 'Killed transfers to Snowflake by S3'));
const sqlServerUrl = mssqlUrl('Killed transfers to SQL Server');

type Engine = 'sqlite' | 'pg' | 'snow' | 'mssql';
const HERE = {
  ...{ sqlite: true, pg: server !== undefined },
  ...{ snow: snowflake !== undefined, mssql: sqlServerUrl !== undefined },
};
/** All to Snowflake is from PostgreSQL by S3 then, and else from SQLite by PUT. */
const SEEDS = server !== undefined && s3 !== undefined;
const ENGINES = (['sqlite', 'pg', 'snow', 'mssql'] as const).filter((on) => HERE[on]);

interface Killed {
  readonly on: Engine;
  readonly index: number;
  readonly run: Run;
}

let rig: Rig;
let worker: WorkerProcess;
let db: pg.Client | undefined;
let warehouse: SnowflakeClient | undefined;
let sqlServer: MssqlServer | undefined;
let sqlServerSchema = '';

beforeAll(async () => {
  rig = await Rig.open(() => ({
    ...(server ? { pg: { url: server.url } } : {}),
    ...(snowflake ? { snow: { url: SEEDS ? `${snowflake.url}&stage=raw.staging` : snowflake.url } } : {}),
    ...(s3 ? { s3: { url: s3.url } } : {}),
    ...(sqlServerUrl ? { mssql: { url: sqlServerUrl } } : {}),
  }));
  worker = await WorkerProcess.inPlaceOf(rig);
  await worker.start();
  const source = rig.database('source/app');
  source.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); CREATE TABLE grows (id INTEGER PRIMARY KEY, note TEXT);
    CREATE TABLE grows_too (id INTEGER PRIMARY KEY, note TEXT); CREATE TABLE grows_as_well (id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO t SELECT i, 'note ' || i FROM n`);
  source.close();
  if (snowflake) {
    warehouse = await SnowflakeClient.open(snowflake.url);
    await warehouse.run('CREATE SCHEMA RAW');
    if (s3) await warehouse.run(s3.stageOver('RAW.STAGING'));
  }
  if (sqlServerUrl) {
    sqlServer = await MssqlServer.open(sqlServerUrl);
    sqlServerSchema = sqlServer.newSchema('DWH');
  }
  if (!server) return;
  db = new pg.Client(server.url);
  await db.connect();
  await db.query(`CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, note text); CREATE TABLE app.grows (LIKE app.t INCLUDING ALL); CREATE TABLE app.grows_too (LIKE app.t INCLUDING ALL);
    INSERT INTO app.t SELECT i, 'note ' || i FROM generate_series(1, ${ROWS}) i; ANALYZE app.t`);
});
afterAll(async () => {
  await worker?.kill();
  await rig?.close();
  await db?.end();
  await warehouse?.close();
  await sqlServer?.close();
  await Promise.all([server?.stop(), snowflake?.stop(), s3?.stop()]);
});

/** Starts transfers one after the other, and kills the worker of each at a random moment. */
async function killEach(start: (on: Engine, index: number) => Promise<Run>): Promise<Killed[]> {
  const random = seededRandom(seed);
  const started: Killed[] = [];
  for (let index = 0; index < KILLS; index++) {
    const on = ENGINES[index % ENGINES.length]!;
    started.push({ on, index, run: await start(on, index) });
    await delay(random() * LONGEST_LIFE_MS);
    await worker.kill();
    await worker.start();
  }
  return started;
}

const PLACES = {
  sqlite: OWN_PLACES,
  pg: { ...OWN_PLACES, source: 'pg', target: 'pg' },
  snow: { ...OWN_PLACES, ...(SEEDS ? { source: 'pg', staging: 's3' } : {}), target: 'snow' },
  mssql: { ...OWN_PLACES, target: 'mssql' },
};

const schemaOn = (on: Engine): string => (on === 'mssql' ? sqlServerSchema : 'DWH');

/** The first row of a query that has both source and target before it. */
async function answer(on: 'sqlite' | 'pg', sql: string): Promise<number[]> {
  if (on === 'pg') return (await db!.query<string[]>({ text: sql, rowMode: 'array' })).rows[0]!.map(Number);
  const target = rig.database('target/DWH');
  target.exec(`ATTACH '${join(rig.folder, 'source', 'app.db')}' AS app`);
  const row = target.prepare<[], number[]>(sql.replaceAll('dwh.', '')).raw().get()!;
  target.close();
  return row;
}

/** Where the source is in another place, the rows tell: they are numbered, and their texts follow from the numbers. */
async function expectNumbered(on: 'snow' | 'mssql', table: string, size: number): Promise<void> {
  const numbered = `SELECT COUNT(*), COUNT(DISTINCT id), MIN(id), MAX(id), COUNT(CASE WHEN note = CONCAT('note ', id) THEN 1 END)
    FROM ${schemaOn(on)}.${table}`;
  expect(await elsewhere(on, numbered)).toEqual([size, size, 1, size, size]);
}

async function elsewhere(on: 'snow' | 'mssql', sql: string): Promise<number[]> {
  const [row] = on === 'snow' ? await warehouse!.rows(sql) : await sqlServer!.rows(sql);
  return row!.map(Number);
}

it(
  `leaves each row in the target once when workers are killed ${KILLS} times`,
  { timeout: 900_000 },
  async () => {
    process.stderr.write(`killing workers with TEST_SEED=${seed}\n`);
    const runs = await killEach((on, index) =>
      rig.start('historicalTransfer', {
        ...PLACES[on],
        tables: [{ from: 'app.t', to: `${schemaOn(on)}.t${index}`, key: ['id'], chunkRows: ROWS / 4 }],
        mode: Math.floor(index / ENGINES.length) % 2 === 0 ? 'merge' : 'append',
      }),
    );
    for (const { on, index, run } of runs) {
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: ROWS, recordCountAfter: ROWS });
      if (on === 'snow' || on === 'mssql') {
        await expectNumbered(on, `t${index}`, ROWS);
        continue;
      }
      const same = `SELECT (SELECT count(*) FROM dwh.t${index}),
      (SELECT count(*) FROM (SELECT id, note FROM app.t EXCEPT SELECT id, note FROM dwh.t${index}) AS missing)`;
      expect(await answer(on, same)).toEqual([ROWS, 0]);
    }
  },
);

it(
  `leaves each row of one growing table once when workers of its runs are killed ${KILLS} times`,
  { timeout: 900_000 },
  async () => {
    process.stderr.write(`killing workers with TEST_SEED=${seed}\n`);
    const sizes = { sqlite: 0, pg: 0, snow: 0, mssql: 0 };
    const runs = await killEach(async (on, index) => {
      await grow(on, sizes[on] + 1, (sizes[on] += ROWS / 2));
      return rig.start('incrementalTransfer', {
        ...PLACES[on],
        tables: [{ from: `app.${GROWING[on]}`, to: `${schemaOn(on)}.grows`, chunkRows: ROWS / 8 }],
        ...{
          cursor: 'id',
          ...(Math.floor(index / ENGINES.length) % 2 === 0
            ? { mode: 'append' }
            : { mode: 'merge', overlap: 1_000 }),
        },
      });
    });
    for (const { run } of runs) await rig.resultOf(run);
    for (const on of new Set(runs.map((one) => one.on))) {
      const size = sizes[on];
      if (on === 'snow' || on === 'mssql') {
        await expectNumbered(on, 'grows', size);
        const ledger = `SELECT SUM(CAST("TO" AS BIGINT) - CAST("FROM" AS BIGINT)), MAX(CAST("TO" AS BIGINT)) FROM ${schemaOn(on)}.BatchInterval`;
        expect(await elsewhere(on, ledger)).toEqual([size, size + 1]);
        continue;
      }
      const same = `SELECT (SELECT count(*) FROM dwh.grows), (SELECT count(DISTINCT id) FROM dwh.grows),
        (SELECT count(*) FROM (SELECT id, note FROM app.grows EXCEPT SELECT id, note FROM dwh.grows) AS missing)`;
      expect(await answer(on, same)).toEqual([size, size, 0]);
      // What is in is in once, from the first key to the last.
      const ledger = `SELECT sum(CAST("to" AS bigint) - CAST("from" AS bigint)), max(CAST("to" AS bigint)) FROM dwh.batchinterval`;
      expect(await answer(on, ledger)).toEqual([size, size + 1]);
    }
  },
);

it(
  `leaves each row in the target once when workers are killed ${KILLS} times while batches are replayed`,
  { timeout: 900_000 },
  async () => {
    process.stderr.write(`killing workers with TEST_SEED=${seed}\n`);
    const firsts: number[] = [];
    for (let index = 0; index < KILLS; index++) {
      const on = ENGINES[index % ENGINES.length]!;
      const run = await rig.start('historicalTransfer', {
        ...PLACES[on],
        tables: [{ from: 'app.t', to: `${schemaOn(on)}.again${index}`, chunkRows: ROWS / 4 }],
        mode: 'append',
      });
      firsts.push((await rig.batchOf(run)).batch.LogID);
    }
    const replays = await killEach((_, index) =>
      rig.start('replayBatch', { batchId: firsts[index]!, force: true }),
    );
    for (const { on, index, run } of replays) {
      const outcome = (await rig.resultOf(run)) as Run;
      expect(outcome).toMatchObject({ batchId: firsts[index], status: 'Success' });
      const { batch } = await rig.batchOf(outcome);
      expect(batch.ReplayOfLogID).toBe(firsts[index]);
      // Whoever came back to it has begun no second one.
      const all = await rig.reading((audit) => audit.batches({}));
      expect(all.filter(({ ReplayOfLogID }) => ReplayOfLogID === firsts[index])).toHaveLength(1);
      const rows = `SELECT COUNT(*), COUNT(DISTINCT id), MIN(BatchID), MAX(BatchID) FROM dwh.again${index}`;
      expect(await counts(on, rows)).toEqual([ROWS, ROWS, batch.LogID, batch.LogID]);
    }
  },
);

async function counts(on: Engine, sql: string): Promise<number[]> {
  return on === 'snow' || on === 'mssql'
    ? elsewhere(on, sql.replace('dwh.', `${schemaOn(on)}.`))
    : answer(on, sql);
}

/** A table of its own for each target. */
const GROWING = { sqlite: 'grows', pg: 'grows', snow: 'grows_too', mssql: 'grows_as_well' };

async function grow(on: Engine, from: number, to: number): Promise<void> {
  if (on === 'pg' || (on === 'snow' && SEEDS)) {
    await db!.query(
      `INSERT INTO app.${GROWING[on]} SELECT i, 'note ' || i FROM generate_series(${from}, ${to}) i`,
    );
    return;
  }
  const source = rig.database('source/app');
  source.exec(`WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})
    INSERT INTO ${GROWING[on]} SELECT i, 'note ' || i FROM n`);
  source.close();
}
