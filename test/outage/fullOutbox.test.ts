import type Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Outbox } from '../../src/engines/outboxContract.js';
import { openOutbox } from '../../src/engines/index.js';
import { event, runStart } from '../support/rows.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

const LARGE = 'x'.repeat(20_000);

/** A recorder whose outbox may not grow beyond a few pages, as on a full disk. */
async function withFullOutbox() {
  const place = new Place();
  const store = new FaultyStore(await place.openStore());
  let outbox: Outbox & { db: Database.Database };
  const recorder = await place.recorder({
    openStore: async () => store,
    openOutbox: async () => (outbox = (await openOutbox(place.outboxFile)) as typeof outbox),
  });
  const { db } = outbox!;
  const pages = db.pragma('page_count', { simple: true }) as number;
  db.pragma(`max_page_count = ${pages + 20}`);
  return { place, store, recorder, db };
}

it('when the outbox is full, steps wait for the store, and nothing is lost or out of order', async () => {
  const { place, store, recorder } = await withFullOutbox();
  const refs = await Promise.all([recorder.open(runStart()), recorder.open(runStart())]);
  store.isDown = true;
  const kept = ['0', '1'];
  for (const ActivityID of kept) {
    await Promise.all(refs.map((ref) => recorder.record([event(ref, { ActivityID })])));
  }
  let answered = 0;
  const write = (number: number, ErrorMessage: string | null): Array<Promise<unknown>> =>
    refs.map((ref) =>
      recorder.record([event(ref, { ActivityID: `${number}`, ErrorMessage })]).then(() => answered++),
    );
  const writing = Array.from({ length: 28 }, (_, index) => write(2 + index, LARGE)).flat();
  await expect.poll(() => place.said('The outbox did not take events')).toHaveLength(1);
  // There is room for a small one: it must not overtake those of its run that wait.
  const last = write(30, null);
  const { tries } = store;
  await expect.poll(() => store.tries).toBeGreaterThan(tries + 2);
  expect(answered).toBe(0);
  expect(await place.outbox()).toMatchObject([{ waiting: refs.length * kept.length }]);

  store.isDown = false;
  await Promise.all([...writing, ...last]);
  await expect.poll(() => recorder.store).toBeDefined();
  const all = Array.from({ length: 31 }, (_, number) => `${number}`);
  for (const { RunID } of refs) expect(place.steps(RunID)).toEqual(all);
  expect(await place.outbox()).toEqual([]);
  expect(place.said('The outbox did not take events')).toHaveLength(1);
});

it('when the disk of the outbox takes nothing at all any more, everything is written all the same', async () => {
  const { place, store, recorder, db } = await withFullOutbox();
  const ref = await recorder.open(runStart());
  store.isDown = true;
  for (const ActivityID of ['1', '2', '3']) await recorder.record([event(ref, { ActivityID })]);
  // Not even a row can be removed: SQLite writes that to its log first.
  db.pragma('query_only = ON');
  const writing = ['4', '5'].map((ActivityID) => recorder.record([event(ref, { ActivityID })]));
  await expect.poll(() => place.said('The outbox did not take events')).toHaveLength(1);

  store.isDown = false;
  await Promise.all(writing);
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['1', '2', '3', '4', '5']);

  await recorder.shutdown();
  const next = await place.recorder();
  await expect.poll(() => next.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['1', '2', '3', '4', '5']);
  expect(await place.outbox()).toEqual([]);
});

it('a refused event that the full outbox can not keep is not dropped', async () => {
  const { place, store, recorder, db } = await withFullOutbox();
  store.refusesEvent = ({ ActivityID }) => ActivityID === 'bad';
  const ref = await recorder.open(runStart());
  db.pragma('query_only = ON');
  let isKept = false;
  const writing = recorder.record([event(ref, { ActivityID: 'bad' })]).then(() => (isKept = true));
  await recorder.record([event(ref, { ActivityID: '1' })]);
  expect(place.steps(ref.RunID)).toEqual(['1']);
  await expect.poll(() => place.said('The outbox did not take events')).toHaveLength(1);
  expect(isKept).toBe(false);
  db.pragma('query_only = OFF');
  await writing;
  expect(place.steps(ref.RunID)).toEqual(['1']);
  await expect.poll(async () => (await place.outbox()).length).toBe(1);
});
