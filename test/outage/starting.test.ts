import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BadConfig } from '../../src/domain/errors.js';
import { event, runStart } from '../support/rows.js';
import { AuditedWorkers, isTaken } from './auditedWorkers.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

const COMPLAINT = 'The audit store does not take changes';

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

it('a worker that starts during an outage takes no new batch, and begins when the store is back', async () => {
  const place = new Place();
  const store = await place.openStore();
  await store.close();
  const taskQueue = randomUUID();
  const unlock = place.lock();
  const logged = workers.lines.length;
  const run = await workers.start(taskQueue, 'talking');
  const { worker } = await workers.run(taskQueue, { url: place.url });
  await expect.poll(() => workers.lines.slice(logged).join()).toContain(COMPLAINT);
  await expect.poll(() => worker.getState()).toBe('RUNNING');
  // There is nothing to await: that it does not begin is the point.
  await delay(2_000);
  expect(await isTaken(run)).toBe(false);

  unlock();
  await run.result();
  expect(place.batch(run)!.events).toHaveLength(4);
}, 60_000);

it('a worker that starts during an outage leaves the steps of running batches to later, and uses up no attempt', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const audit = { url: place.url };
  // Without activities: the batch is opened, and its step stays pending.
  const first = await workers.run(taskQueue, audit, { activities: {} });
  const run = await workers.start(taskQueue, 'hurriedStep');
  const isPending = async (): Promise<boolean> => (await run.describe()).raw.pendingActivities?.length === 1;
  await expect.poll(isPending).toBe(true);
  await first.stop();

  const unlock = place.lock();
  const second = await workers.run(taskQueue, audit);
  await expect.poll(() => second.worker.getState()).toBe('RUNNING');
  // Longer than the step may take: had it been taken, its only attempt would be gone.
  await delay(7_000);
  expect((await run.describe()).status.name).toBe('RUNNING');
  await second.stop();
  expect((await run.describe()).status.name).toBe('RUNNING');

  unlock();
  await workers.run(taskQueue, audit);
  await run.result();
  expect(place.batch(run)!.events.map(({ EventType, Attempt }) => `${EventType} ${Attempt}`)).toEqual([
    'start 1',
    'success 1',
  ]);
}, 90_000);

it('a store that can not be opened at first is opened as soon as it answers; meanwhile events in the outbox are reported', async () => {
  const place = new Place();
  const store = new FaultyStore(await place.openStore());
  const first = await place.recorder({ openStore: async () => store });
  const ref = await first.open(runStart());
  store.isDown = true;
  await first.record([event(ref)]);
  await first.shutdown();

  let isThere = false;
  const recorder = await place.recorder({
    openStore: () => (isThere ? place.openStore() : Promise.reject(new Error('no such host'))),
  });
  expect(recorder.gate.isOpen).toBe(false);
  expect(place.said('Events wait in the outbox until their audit store answers')).toMatchObject([
    { meta: { waiting: 1 } },
  ]);
  expect(place.events()).toEqual([]);
  isThere = true;
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.events()).toHaveLength(1);
});

it('each failure to open the store leaves nothing open', async () => {
  const place = new Place();
  const opened: FaultyStore[] = [];
  let closed = 0;
  const openStore = async (): Promise<FaultyStore> => {
    const store = new FaultyStore(await place.openStore());
    opened.push(store);
    store.close = async () => {
      closed++;
      await store.real.close();
    };
    if (opened.length < 3) store.storeID = () => Promise.reject(new Error('connection lost'));
    return store;
  };
  const recorder = await place.recorder({ openStore });
  await expect.poll(() => recorder.store).toBeDefined();
  expect(opened).toHaveLength(3);
  expect(closed).toBe(2);
});

it.each([
  [
    'a file in the place of its folder',
    (place: Place) => ({ url: `sqlite:${join(place.folder, 'file', 'audit')}` }),
  ],
  [
    'an outbox that can not be made',
    (place: Place) => ({ url: place.url, outbox: join(place.folder, 'file', 'outbox.db') }),
  ],
])('with a mistake in the configuration, no worker is made: %s', async (_, audit) => {
  const place = new Place();
  writeFileSync(join(place.folder, 'file'), '');
  const asked = Date.now();
  await expect(workers.run(randomUUID(), audit(place))).rejects.toThrow(BadConfig);
  expect(Date.now() - asked).toBeLessThan(3_000);
});
