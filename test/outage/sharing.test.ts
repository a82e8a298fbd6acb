import { expect, it, vi } from 'vitest';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { ship } from '../../src/audit/shipper.js';
import { openOutbox } from '../../src/engines/index.js';
import { event, runStart } from '../support/rows.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

it('two recorders share one outbox: each event is shipped once, in the order of its run', async () => {
  const place = new Place();
  const recorders = [await place.recorder(), await place.recorder()];
  const refs = await Promise.all(recorders.map((recorder) => recorder.open(runStart())));
  const unlock = place.lock();
  const [first, second] = recorders as [(typeof recorders)[0], (typeof recorders)[0]];
  await Promise.all(recorders.map((recorder, i) => recorder.record([event(refs[i]!, { ActivityID: '0' })])));
  for (let number = 1; number < 300; number++) {
    await Promise.all([
      first.record([event(refs[0]!, { ActivityID: `${number}` })]),
      second.record([event(refs[1]!, { ActivityID: `${number}` })]),
    ]);
  }
  expect(await place.outbox()).toMatchObject([{ waiting: 600 }]);
  unlock();
  await expect.poll(() => first.store && second.store).toBeDefined();
  const all = Array.from({ length: 300 }, (_, number) => `${number}`);
  for (const { RunID } of refs) expect(place.steps(RunID)).toEqual(all);
  expect(await place.outbox()).toEqual([]);
  const shipped = place.said('is up to date').map(({ meta }) => Number(meta['shipped']));
  expect(shipped.reduce((sum, count) => sum + count, 0)).toBe(600);
});

it('recorders that share an outbox, and whose callers never stop, are up to date soon after the store is back', async () => {
  const place = new Place();
  const recorders = [await place.recorder(), await place.recorder()];
  const refs = await Promise.all(recorders.map((recorder) => recorder.open(runStart())));
  const unlock = place.lock();
  let isOver = false;
  const counts = Array.from({ length: 40 }, async (_, caller) => {
    const own = caller % 2;
    let number = 0;
    while (!isOver) {
      await recorders[own]!.record([event(refs[own]!, { ActivityID: `${caller}-${number++}` })]);
    }
    return number;
  });
  await expect.poll(() => recorders.some(({ store }) => store)).toBe(false);
  unlock();
  await expect.poll(() => recorders.every(({ store }) => store)).toBe(true);
  isOver = true;
  const total = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  expect(place.events()).toHaveLength(total);
});

it('while one process ships, another one leaves its entries alone, and goes on when it has ended', async () => {
  const place = new Place();
  const real = await place.openStore();
  const [ref] = await inLedger(real, (ledger) => openRuns(ledger, [runStart()]));
  const storeID = await real.storeID();
  const outboxes = [await openOutbox(place.outboxFile), await openOutbox(place.outboxFile)] as const;
  for (let number = 0; number < 250; number++) {
    await outboxes[0].add(storeID, [{ kind: 'record', item: [event(ref!, { ActivityID: `${number}` })] }]);
  }
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const slow = new FaultyStore(real);
  const transaction = slow.transaction.bind(slow);
  let isAsked = false;
  slow.transaction = async (work) => {
    isAsked = true;
    await released;
    return transaction(work);
  };
  const first = ship(outboxes[0], slow, storeID, 'first');
  await expect.poll(() => isAsked).toBe(true);
  const fast = new FaultyStore(await place.openStore());
  const ask = vi.spyOn(outboxes[1], 'takeTurn');
  const second = ship(outboxes[1], fast, storeID, 'second');
  await expect.poll(() => ask.mock.calls.length).toBeGreaterThan(2);
  expect(place.events()).toEqual([]);

  release();
  const [one, other] = await Promise.all([first, second]);
  expect(one.shipped + other.shipped).toBe(250);
  expect(place.steps(ref!.RunID)).toEqual(Array.from({ length: 250 }, (_, number) => `${number}`));
  for (const it of [...outboxes, real, fast]) await it.close();
});
