import { expect, it, vi } from 'vitest';
import type { BatchRef, RunStart } from '../../src/domain/model.js';
import type { RunHistory } from '../../src/audit/history.js';
import { openOutbox } from '../../src/engines/index.js';
import { event, NOW, runStart } from '../support/rows.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

/** As a history tells of it. */
function endedRun(start: RunStart): RunHistory {
  return {
    start,
    end: { status: 'Success', time: NOW, error: undefined, counts: {}, byReset: false, willRetry: false },
    activities: [],
    lastEventID: 5,
    baseRunID: null,
    redone: [],
    historyHash: null,
    input: null,
  };
}

const BAD = 'bad';
const bad = (ref: BatchRef) => event(ref, { ActivityID: BAD });
const good = (ref: BatchRef, ActivityID: string) => event(ref, { ActivityID });

async function withFaultyStore() {
  const place = new Place();
  const store = new FaultyStore(await place.openStore());
  store.refusesEvent = ({ ActivityID }) => ActivityID === BAD;
  const recorder = await place.recorder({ openStore: async () => store });
  return { place, store, recorder };
}

it('an event that the store refuses is set aside with the reason, and holds up no other', async () => {
  const { place, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  await Promise.all([recorder.record([bad(ref)]), recorder.record([good(ref, '1')])]);
  expect(place.steps(ref.RunID)).toEqual(['1']);
  expect(await place.outbox()).toMatchObject([{ waiting: 0, refused: 1, problem: 'refused for good' }]);
  expect(recorder.store).toBeDefined();
  const { LogID, RunID } = ref;
  expect(place.said('The audit store refused a change')).toMatchObject([
    { level: 'ERROR', meta: { kind: 'record', LogID, WorkflowID: `workflow of ${RunID}`, RunID } },
  ]);
});

it('an event that the outbox has no room for is tried again, and the log says of which run it is', async () => {
  const { place, store } = await withFaultyStore();
  const outbox = await openOutbox(place.outboxFile);
  outbox.add = () => Promise.reject(new Error('database or disk is full'));
  const recorder = await place.recorder({ openStore: async () => store, openOutbox: async () => outbox });
  const ref = await recorder.open(runStart());
  const recorded = recorder.record([bad(ref)]);
  await recorder.record([good(ref, '1')]);
  const { LogID, RunID, WorkflowID } = ref;
  await expect
    .poll(() => place.said('it is tried again'))
    .toMatchObject([{ level: 'ERROR', meta: { kind: 'record', LogID, WorkflowID, RunID } }]);
  store.refusesEvent = () => false;
  await recorded;
  expect(place.steps(RunID)).toEqual(['1', BAD]);
});

it('of a batch that the store refuses, the log names the run; it has no number yet', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  store.refusesBatch = ({ PipelineName }) => PipelineName === BAD;
  const start = runStart({ PipelineName: BAD });
  const opened = recorder.open(start);
  await recorder.record([good(ref, '1')]);
  const { WorkflowID, RunID } = start;
  await expect
    .poll(() => place.said('it is tried again'))
    .toMatchObject([{ meta: { kind: 'open', LogID: undefined, WorkflowID, RunID } }]);
  store.refusesBatch = () => false;
  await opened;
});

it('of what a worker that left saw, and the end of an activity without a workflow, the log names the batch', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const [start, alone] = [runStart(), runStart({ WorkflowType: null })];
  const refs = [await recorder.open(start), await recorder.open(alone)];
  store.refusesSettling = true;
  await Promise.all([
    recorder.recordUnopened(start, [bad({ ...refs[0]!, LogID: 0 })], 'worker'),
    recorder.settleForSure(endedRun(alone)),
    recorder.record([good(refs[0]!, '1')]),
  ]);
  expect(place.said('The audit store refused a change').map(({ meta }) => meta)).toMatchObject(
    [
      { kind: 'openAndRecord', ...refs[0] },
      { kind: 'settle', ...refs[1] },
    ].map(({ kind, LogID, WorkflowID, RunID }) => ({ kind, LogID, WorkflowID, RunID })),
  );
});

it('an event that is refused on its way out of the outbox is set aside, and tried again at the next start', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  store.isDown = true;
  for (const one of [good(ref, '1'), bad(ref), good(ref, '2')]) await recorder.record([one]);
  store.isDown = false;
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['1', '2']);
  expect(await place.outbox()).toMatchObject([{ waiting: 0, refused: 1, problem: 'refused for good' }]);
  expect(place.said('is up to date')).toMatchObject([{ meta: { shipped: 2, refused: 1 } }]);

  // Somebody has removed the constraint.
  const next = await place.recorder();
  await expect.poll(() => next.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['1', '2', BAD]);
  expect(await place.outbox()).toEqual([]);
});

it('an event that is refused while nothing else is written stops no new batch', async () => {
  const { place, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  await recorder.record([bad(ref)]);
  await expect.poll(() => recorder.gate.isOpen).toBe(true);
  const other = await recorder.open(runStart());
  // The next event shows that the store takes others.
  await recorder.record([good(other, '1')]);
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(other.RunID)).toEqual(['1']);
  expect(await place.outbox()).toMatchObject([{ waiting: 0, refused: 1 }]);
});

it('a lone event that is refused for minutes is given up, so that batches are closed again', async () => {
  const { place, store, recorder } = await withFaultyStore();
  let refusals = 0;
  store.refusesEvent = () => ++refusals > 0;
  const ref = await recorder.open(runStart());
  await recorder.record([bad(ref)]);
  await expect.poll(() => recorder.gate.isOpen).toBe(true);
  // The minutes begin with the first refusal that followed, which is over when there is another one.
  const before = refusals;
  await expect.poll(() => refusals).toBeGreaterThan(before + 1);
  expect(recorder.store).toBeUndefined();
  expect(await place.outbox()).toMatchObject([{ waiting: 1, refused: 0 }]);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 301_000 });
  try {
    await expect.poll(() => recorder.store).toBeDefined();
  } finally {
    vi.useRealTimers();
  }
  expect(await place.outbox()).toMatchObject([{ waiting: 0, refused: 1 }]);
});

it('runs that can not be settled are left to the closer, and are not taken for a store that is down', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const refs = [await recorder.open(runStart()), await recorder.open(runStart())];
  store.refusesEvent = () => false;
  store.refusesSettling = true;
  const events: number[] = [];
  const settling = refs.map(({ RunID }) =>
    expect(recorder.settle(endedRun(runStart({ RunID })))).rejects.toThrow(/refused/),
  );
  await Promise.all([...settling, recorder.record([good(refs[0]!, '1')]).then(() => events.push(1))]);
  await expect(recorder.settle(endedRun(runStart({ RunID: refs[0]!.RunID })))).rejects.toThrow(
    'refused for good',
  );
  expect(recorder.store).toBeDefined();
  expect(recorder.gate.isOpen).toBe(true);
  expect(events).toEqual([1]);
  expect(place.steps(refs[0]!.RunID)).toEqual(['1']);
  expect(place.lines).toEqual([]);
});

it('a store that goes down after it took one event has refused none of the others', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  let attempts = 0;
  // The transaction for all fails, the first one alone passes, and then the connection is gone.
  store.refusesEvent = () => {
    if (++attempts === 2 || store.isDown) return false;
    if (attempts > 2) store.isDown = true;
    return true;
  };
  await Promise.all(['1', '2', '3'].map((id) => recorder.record([good(ref, id)])));
  expect(place.steps(ref.RunID)).toEqual(['1']);
  expect(await place.outbox()).toMatchObject([{ waiting: 2, refused: 0 }]);
  store.refusesEvent = () => false;
  store.isDown = false;
  await expect.poll(() => recorder.store).toBeDefined();
  expect(place.steps(ref.RunID)).toEqual(['1', '2', '3']);
});

it('batches that the store refuses wait, and hold up neither other batches nor events', async () => {
  const { place, store, recorder } = await withFaultyStore();
  const ref = await recorder.open(runStart());
  store.refusesBatch = ({ PipelineName }) => PipelineName === BAD;
  const refused = [1, 2, 3].map(() => recorder.open(runStart({ PipelineName: BAD })));
  const other = await recorder.open(runStart());
  await recorder.record([good(ref, '1'), good(other, '1')]);
  await expect.poll(() => recorder.store).toBeDefined();
  expect(recorder.gate.isOpen).toBe(true);
  expect(place.events()).toHaveLength(2);

  store.refusesBatch = () => false;
  const opened = await Promise.all(refused);
  expect(new Set(opened.map(({ LogID }) => LogID)).size).toBe(3);
});

it('events of another store stay where they are, and are reported', async () => {
  const place = new Place();
  const outbox = await openOutbox(place.outboxFile);
  const item = [event({ LogID: 1, RunID: 'theirs' })];
  await outbox.add('another-store', [{ kind: 'record', item }]);
  await outbox.close();
  const recorder = await place.recorder();
  expect(recorder.store).toBeDefined();
  expect(place.said('another audit store')).toMatchObject([
    { level: 'WARN', meta: { storeID: 'another-store', waiting: 1 } },
  ]);
  const ref = await recorder.open(runStart());
  await recorder.record([good(ref, '1')]);
  expect(place.events()).toHaveLength(1);
  expect(await place.outbox()).toMatchObject([{ storeID: 'another-store', waiting: 1 }]);
});

it('an entry of a kind that this version does not know is set aside', async () => {
  const place = new Place();
  const store = await place.openStore();
  const outbox = await openOutbox(place.outboxFile);
  await outbox.add(await store.storeID(), [{ kind: 'from the future', item: {} }]);
  await outbox.close();
  await store.close();
  const recorder = await place.recorder();
  await expect.poll(() => recorder.store).toBeDefined();
  expect(await place.outbox()).toMatchObject([
    { waiting: 0, refused: 1, problem: expect.stringMatching(/"from the future" is unknown/) as string },
  ]);
});
