/**
 * `npm run bench:store`: how many events a store takes, and how long an activity waits until its event is durable, beside
 * the same rows through the bare driver. Store and floor take turns, and each ratio is formed within its round.
 * Options: --rounds (9), --seconds (3).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DefaultLogger } from '@temporalio/worker';
import type { BatchRef } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';
import { openRecorder } from '../../test/support/recorder.js';
import type { OpenRecorder } from '../../test/support/recorder.js';
import { engineFor } from '../../src/engines/index.js';
import { startPostgres } from '../../test/endpoints/postgres.js';
import { spread } from '../spread.js';
import { FLOORS, SCHEMA } from './floor.js';
import type { Figures } from './load.js';
import { measureFloor, measureRecorder } from './load.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, seconds: { type: 'string', default: '3' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const AT_ONCE = [1, 50, 500];

const folder = mkdtempSync(join(tmpdir(), 'batchtrail-bench-'));
const postgres = await startPostgres();
try {
  await measureEngine('sqlite', `sqlite:${folder}`);
  await measureEngine('postgres', postgres.url);
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measureEngine(name: string, url: string): Promise<void> {
  const [ours, theirs] = [await openBatch(url, 'Audit'), await openBatch(url, SCHEMA)];
  const floor = await FLOORS[name]!(url);
  console.log(`\n${name}, ${rounds} rounds of ${seconds} s; median of the rounds (lowest to highest)`);
  for (const atOnce of AT_ONCE) {
    const pairs: Array<{ store: Figures; bare: Figures }> = [];
    for (let round = 0; round < rounds; round++) {
      const store = await measureRecorder(ours.recorder, ours.batch, atOnce, seconds);
      const bare = await measureFloor(floor, theirs.batch, atOnce, seconds);
      pairs.push({ store, bare });
    }
    const of = (figure: (pair: (typeof pairs)[number]) => number, digits = 2): string =>
      spread(pairs.map(figure), digits);
    console.log(`  ${atOnce} at once`);
    console.log(`    events/s                      ${of(({ store }) => store.eventsPerSecond, 0)}`);
    console.log(
      `    events/s, of the floor's      ${of(({ store, bare }) => store.eventsPerSecond / bare.eventsPerSecond)}`,
    );
    console.log(`    wait p50, ms                  ${of(({ store }) => store.p50)}`);
    console.log(`    wait p95, ms                  ${of(({ store }) => store.p95)}`);
    console.log(`    wait p95, of a bare commit's  ${of(({ store, bare }) => store.p95 / bare.p95)}`);
  }
  await floor.close();
  await ours.close();
  await theirs.close();
}

async function openBatch(url: string, schema: string): Promise<OpenRecorder & { batch: BatchRef }> {
  const store = await (await engineFor(url, 'bench')).openAuditStore({ url, schema });
  await store.migrate();
  const opened = await openRecorder(store, new DefaultLogger('WARN'));
  const now = isoTime(Date.now());
  const batch = await opened.recorder.open({
    Namespace: 'bench',
    WorkflowID: 'bench',
    RunID: `bench ${schema}`,
    OriginalRunID: `bench ${schema}`,
    PipelineName: 'bench',
    WorkflowType: 'bench',
    TaskQueue: 'bench',
    StartTime: now,
    RunStartTime: now,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
  });
  return { ...opened, batch };
}
