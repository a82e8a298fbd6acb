/** Workers are killed at random moments of transfers, and every row is there once: G7. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../src/dev/seededRandom.js';
import { NotOnThisMachine } from '../endpoints/endpoint.js';
import { startPostgres } from '../endpoints/postgres.js';
import { OWN_PLACES, Rig } from './rig.js';
import { WorkerProcess } from './workerProcess.js';

/** The long form: TEST_KILLS=30. */
const KILLS = Number(process.env.TEST_KILLS ?? 6);
const ROWS = 20_000;
/** A transfer of so many rows takes about this long here, so a moment of it is as likely as another. */
const LONGEST_LIFE_MS = 2_500;
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 100_000);

const server = await startPostgres({ fsync: false }).catch((error: unknown) => {
  if (!(error instanceof NotOnThisMachine)) throw error;
  process.stderr.write(`Transfers of PostgreSQL are not killed: ${error.message}\n`);
  return undefined;
});

let rig: Rig;
let worker: WorkerProcess;
let db: pg.Client | undefined;

beforeAll(async () => {
  rig = await Rig.open(() => (server ? { pg: { url: server.url } } : {}));
  worker = await WorkerProcess.inPlaceOf(rig);
  const source = rig.database('source/app');
  source.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO t SELECT i, 'note ' || i FROM n`);
  source.close();
  if (!server) return;
  db = new pg.Client(server.url);
  await db.connect();
  await db.query(`CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, note text);
    INSERT INTO app.t SELECT i, 'note ' || i FROM generate_series(1, ${ROWS}) i; ANALYZE app.t`);
});
afterAll(async () => {
  await worker?.kill();
  await rig?.close();
  await db?.end();
  await server?.stop();
});

it(
  `leaves each row in the target once when workers are killed ${KILLS} times`,
  { timeout: 900_000 },
  async () => {
    process.stderr.write(`killing workers with TEST_SEED=${seed}\n`);
    const random = seededRandom(seed);
    await worker.start();
    const runs: Array<{ on: string; index: number; run: Awaited<ReturnType<Rig['start']>> }> = [];
    for (let index = 0; index < KILLS; index++) {
      const on = server && index % 2 === 1 ? 'pg' : 'sqlite';
      const places = on === 'pg' ? { ...OWN_PLACES, source: 'pg', target: 'pg' } : OWN_PLACES;
      const run = await rig.start('historicalTransfer', {
        ...places,
        tables: [{ from: 'app.t', to: `DWH.t${index}`, key: ['id'], chunkRows: ROWS / 4 }],
        mode: index % 3 === 0 ? 'merge' : 'append',
      });
      runs.push({ on, index, run });
      await delay(random() * LONGEST_LIFE_MS);
      await worker.kill();
      await worker.start();
    }
    for (const { on, index, run } of runs) {
      expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: ROWS, recordCountAfter: ROWS });
      const same = `SELECT (SELECT count(*) FROM dwh.t${index}),
      (SELECT count(*) FROM (SELECT id, note FROM app.t EXCEPT SELECT id, note FROM dwh.t${index}) AS missing)`;
      if (on === 'pg') {
        expect((await db!.query({ text: same, rowMode: 'array' })).rows[0]).toEqual([String(ROWS), '0']);
      } else {
        const target = rig.database('target/DWH');
        target.exec(`ATTACH '${join(rig.folder, 'source', 'app.db')}' AS app`);
        expect(target.prepare(same.replaceAll('dwh.', '')).raw().get()).toEqual([ROWS, 0]);
        target.close();
      }
    }
  },
);
