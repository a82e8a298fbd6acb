import { expect, it, vi } from 'vitest';
import type { BatchRef } from '../../src/domain/model.js';
import { event, runStart } from '../support/rows.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

const COMPLAINT = 'The audit store does not take changes';

async function withFaultyStore(strict = false) {
  const place = new Place();
  const store = new FaultyStore(await place.openStore());
  const recorder = await place.recorder({ openStore: async () => store, strict });
  return { place, store, recorder };
}

const step = (ref: BatchRef, number: number) => event(ref, { ActivityID: `${number}` });
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

it('events go to the outbox while the store is down, and are shipped in order when it is back', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const refs = await Promise.all([recorder.open(runStart()), recorder.open(runStart())]);
  store.isDown = true;
  for (let number = 0; number < 250; number++) {
    await Promise.all(refs.map((ref) => recorder.record([step(ref, number)])));
  }
  expect(place.events()).toEqual([]);
  expect(await place.outbox()).toMatchObject([{ waiting: 500, refused: 0 }]);
  expect(recorder.store).toBeUndefined();

  store.isDown = false;
  await expect.poll(() => recorder.store).toBeDefined();
  for (const { RunID } of refs) expect(place.steps(RunID)).toEqual(numbers(250));
  expect(await place.outbox()).toEqual([]);
  expect(place.said('is up to date')).toMatchObject([{ meta: { shipped: 500, refused: 0 } }]);
});

it('what is seen while the outbox is shipped comes after what waits in it', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  store.isDown = true;
  for (let number = 0; number < 600; number++) await recorder.record([step(ref, number)]);
  store.isDown = false;
  let number = 600;
  for (; !recorder.store; number++) await recorder.record([step(ref, number)]);
  await recorder.record([step(ref, number)]);
  expect(place.steps(ref.RunID)).toEqual(numbers(number + 1));
});

it('new batches wait for the store, and the gate is closed meanwhile', async () => {
  const { place, store, recorder } = await withFaultyStore();
  expect(recorder.gate.isOpen).toBe(true);
  store.isDown = true;
  const opening = [recorder.open(runStart()), recorder.open(runStart())];
  let opened = 0;
  for (const one of opening) void one.then(() => opened++);
  // A few looks at the store have passed.
  await expect.poll(() => store.tries).toBeGreaterThan(3);
  expect(opened).toBe(0);
  expect(recorder.gate.isOpen).toBe(false);
  const passing = recorder.gate.opened();

  store.isDown = false;
  const refs = await Promise.all(opening);
  expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(2);
  await passing;
  await expect.poll(() => recorder.store).toBeDefined();
  expect(recorder.gate.isOpen).toBe(true);
  expect(place.said('is up to date')).toHaveLength(1);
});

it('a step of a batch that this worker knows does not wait for the store; one of a batch of another worker does', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const start = runStart();
  const known = await recorder.open(start);
  const other = await (await place.recorder()).open(runStart());
  const nobodyAsks = (): never => {
    throw new Error('its row is there');
  };
  store.isDown = true;
  const batch = await recorder.batchOf(known, nobodyAsks);
  await recorder.record([step(batch, 0)]);
  let isAnswered = false;
  const waiting = recorder.batchOf(other, nobodyAsks).finally(() => (isAnswered = true));
  await expect.poll(() => store.tries).toBeGreaterThan(3);
  expect(isAnswered).toBe(false);
  // It has waited, and that one still does not, nor when a workflow task of its run fails.
  await recorder.noteTaskFailure(start, 'TypeError: x is undefined');
  expect(await recorder.batchOf(known, nobodyAsks)).toEqual(batch);

  store.isDown = false;
  expect(await waiting).toEqual(other);
});

it('a store that is locked by another program counts as down after five seconds', async () => {
  const place = new Place();
  const recorder = await place.recorder();
  const ref = await recorder.open(runStart());
  const unlock = place.lock();
  const before = Date.now();
  await recorder.record([step(ref, 0)]);
  expect(Date.now() - before).toBeGreaterThan(4_000);
  expect(Date.now() - before).toBeLessThan(8_000);
  expect(await place.outbox()).toMatchObject([{ waiting: 1 }]);
  expect(recorder.gate.isOpen).toBe(false);
  const opening = recorder.open(runStart());
  await recorder.record([step(ref, 1)]);
  expect(place.events()).toEqual([]);

  unlock();
  await opening;
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['0', '1']);
});

it('a store that falls silent while all wait for the last of the outbox holds up no step for longer than a commit may take', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  store.isDown = true;
  await recorder.record([step(ref, 0)]);
  let answer!: () => void;
  const isAnswered = new Promise<void>((resolve) => (answer = resolve));
  let isSilent = false;
  const transaction = store.transaction.bind(store);
  const turns = [
    // It is tried out, and takes what waits; meanwhile something is added, for which all wait.
    async () => undefined,
    () => recorder.record([step(ref, 1)]),
    () => {
      isSilent = true;
      return isAnswered;
    },
  ];
  store.transaction = async (work) => {
    if (!store.isDown) await turns.shift()?.();
    return transaction(work);
  };
  store.isDown = false;
  await expect.poll(() => isSilent).toBe(true);
  const before = Date.now();
  await recorder.record([step(ref, 2)]);
  expect(Date.now() - before).toBeLessThan(8_000);
  expect(await place.outbox()).toMatchObject([{ waiting: 2 }]);

  answer();
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['0', '1', '2']);
});

it('the log says once a minute that the store is down, however often it fails', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    for (let minute = 1; minute <= 2; minute++) {
      // A store that comes and goes is the worst.
      for (let round = 0; round < 5; round++) {
        store.isDown = true;
        await recorder.record([step(ref, minute * 10 + round)]);
        store.isDown = false;
        await expect.poll(() => recorder.store).toBeDefined();
      }
      store.isDown = true;
      const opening = recorder.open(runStart());
      for (let number = 0; number < 50; number++) await recorder.record([step(ref, minute * 100 + number)]);
      expect(place.said(COMPLAINT)).toHaveLength(minute);
      store.isDown = false;
      await opening;
      await expect.poll(() => recorder.store).toBeDefined();
      expect(place.lines).toHaveLength(minute * 2);
      vi.setSystemTime(Date.now() + 60_000);
    }
  } finally {
    vi.useRealTimers();
  }
});

it('under strict, events wait for the store itself, in order, and none goes to the outbox', async () => {
  const { place, store, recorder } = await withFaultyStore(true);
  const ref = await recorder.open(runStart());
  store.isDown = true;
  let written = 0;
  const writing = Array.from({ length: 20 }, (_, number) =>
    recorder.record([step(ref, number)]).then(() => written++),
  );
  await expect.poll(() => store.tries).toBeGreaterThan(3);
  expect(written).toBe(0);
  expect(await place.outbox()).toEqual([]);
  store.isDown = false;
  await Promise.all(writing);
  expect(place.steps(ref.RunID)).toEqual(numbers(20));
  await expect.poll(() => recorder.store).toBeDefined();
});

it('under strict, a recorder whose callers never stop is up to date soon after the store is back', async () => {
  const { place, store, recorder } = await withFaultyStore(true);
  const ref = await recorder.open(runStart());
  store.isDown = true;
  let isOver = false;
  const counts = Array.from({ length: 30 }, async (_, caller) => {
    let number = 0;
    while (!isOver) await recorder.record([event(ref, { ActivityID: `${caller}-${number++}` })]);
    return number;
  });
  await expect.poll(() => store.tries).toBeGreaterThan(3);
  store.isDown = false;
  await expect.poll(() => recorder.store).toBeDefined();
  isOver = true;
  const total = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  expect(place.events()).toHaveLength(total);
});

it('a recorder that is shut down while the store is down does not wait, and keeps what is held', async () => {
  const { place, store, recorder } = await withFaultyStore(true);
  const ref = await recorder.open(runStart());
  store.isDown = true;
  const [opening, writing] = [recorder.open(runStart()), recorder.record([step(ref, 0)])];
  const refusal = expect(opening).rejects.toThrow(/closed/);
  await expect.poll(() => recorder.gate.isOpen).toBe(false);
  const before = Date.now();
  await recorder.shutdown();
  expect(Date.now() - before).toBeLessThan(1_500);
  await refusal;
  await writing;
  expect(await place.outbox()).toMatchObject([{ waiting: 1 }]);

  const next = await place.recorder();
  expect(place.said('Events wait in the outbox and are shipped now')).toMatchObject([
    { meta: { waiting: 1 } },
  ]);
  await expect.poll(() => next.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['0']);
});
