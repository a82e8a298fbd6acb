/** Workers are killed at random moments of transfers, and every row is there once: G7. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { typeScriptArguments } from '../../src/dev/ownScript.js';
import { seededRandom } from '../../src/dev/seededRandom.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import { temporalAddress } from '../support/temporal.js';
import { OWN_PLACES, Rig, WORKFLOWS } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';
import type { WorkerSettings } from './worker.js';

/** The long form: TEST_KILLS=30. */
const KILLS = Number(process.env.TEST_KILLS ?? 6);
const ROWS = 20_000;
/** A transfer of so many rows takes about this long here, so a moment of it is as likely as another. */
const LONGEST_LIFE_MS = 2_500;
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 100_000);

const server = await ifPossible(startPostgres({ fsync: false }), 'Killed transfers of PostgreSQL');
// What a killed worker has locked is free soon, and not only after five minutes.
const snowflake = await ifPossible(startSnowflake({ idleSeconds: 2 }), 'Killed transfers to Snowflake');

let rig: Rig;
let worker: ChildProcess | undefined;
let settings: WorkerSettings;
let db: pg.Client | undefined;
let warehouse: SnowflakeClient | undefined;

beforeAll(async () => {
  const connections = {
    ...(server ? { pg: { url: server.url } } : {}),
    ...(snowflake ? { snow: { url: snowflake.url } } : {}),
  };
  rig = await Rig.open();
  await rig.stopWorker();
  const auditUrl = `sqlite:${join(rig.folder, 'audit')}`;
  const { code } = await bundleWorkflowCode({
    workflowsPath: WORKFLOWS,
    plugins: [new BatchtrailPlugin({ audit: { url: auditUrl } })],
    logger: new DefaultLogger('ERROR'),
  });
  const bundleFile = join(rig.folder, 'bundle.js');
  writeFileSync(bundleFile, code);
  settings = {
    ...{ address: temporalAddress(), taskQueue: rig.taskQueue, bundleFile, auditUrl },
    connections: {
      source: { url: `sqlite:${join(rig.folder, 'source')}` },
      staging: { url: `file:${join(rig.folder, 'staging')}` },
      target: { url: `sqlite:${join(rig.folder, 'target')}` },
      ...connections,
    },
  };
  const source = rig.database('source/app');
  source.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO t SELECT i, 'note ' || i FROM n`);
  source.close();
  if (snowflake) warehouse = await SnowflakeClient.open(snowflake.url);
  if (!server) return;
  db = new pg.Client(server.url);
  await db.connect();
  await db.query(`CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, note text);
    INSERT INTO app.t SELECT i, 'note ' || i FROM generate_series(1, ${ROWS}) i; ANALYZE app.t`);
});
afterAll(async () => {
  worker?.kill('SIGKILL');
  await rig?.close();
  await db?.end();
  await warehouse?.close();
  await Promise.all([server?.stop(), snowflake?.stop()]);
});

const places = {
  sqlite: OWN_PLACES,
  pg: { ...OWN_PLACES, source: 'pg', target: 'pg' },
  snow: { ...OWN_PLACES, target: 'snow' },
};

async function startWorker(): Promise<void> {
  worker = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [JSON.stringify(settings)], {
    execArgv: typeScriptArguments(),
  });
  await once(worker, 'message');
}

it(
  `leaves each row in the target once when workers are killed ${KILLS} times`,
  { timeout: 900_000 },
  async () => {
    process.stderr.write(`killing workers with TEST_SEED=${seed}\n`);
    const random = seededRandom(seed);
    await startWorker();
    const kinds = (['sqlite', 'pg', 'snow'] as const).filter(
      (on) => on === 'sqlite' || (on === 'pg' ? server : snowflake),
    );
    const runs: Array<{ on: string; index: number; run: Awaited<ReturnType<Rig['start']>> }> = [];
    for (let index = 0; index < KILLS; index++) {
      const on = kinds[index % kinds.length]!;
      const run = await rig.start('historicalTransfer', {
        ...places[on],
        tables: [{ from: 'app.t', to: `DWH.t${index}`, key: ['id'], chunkRows: ROWS / 4 }],
        mode: Math.floor(index / kinds.length) % 3 === 0 ? 'merge' : 'append',
      });
      runs.push({ on, index, run });
      await delay(random() * LONGEST_LIFE_MS);
      worker!.kill('SIGKILL');
      await once(worker!, 'close');
      await startWorker();
    }
    for (const { on, index, run } of runs) {
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: ROWS, recordCountAfter: ROWS });
      const same = `SELECT (SELECT count(*) FROM dwh.t${index}),
      (SELECT count(*) FROM (SELECT id, note FROM app.t EXCEPT SELECT id, note FROM dwh.t${index}) AS missing)`;
      if (on === 'pg') {
        expect((await db!.query({ text: same, rowMode: 'array' })).rows[0]).toEqual([String(ROWS), '0']);
      } else if (on === 'snow') {
        // The rows are numbered, and their texts follow from the numbers.
        expect(
          await warehouse!.rows(
            `SELECT COUNT(*), COUNT(DISTINCT id), MIN(id), MAX(id), COUNT_IF(note = 'note ' || id) FROM DWH.t${index}`,
          ),
        ).toEqual([[ROWS, ROWS, 1, ROWS, ROWS]]);
      } else {
        const target = rig.database('target/DWH');
        target.exec(`ATTACH '${join(rig.folder, 'source', 'app.db')}' AS app`);
        expect(target.prepare(same.replaceAll('dwh.', '')).raw().get()).toEqual([ROWS, 0]);
        target.close();
      }
    }
  },
);
