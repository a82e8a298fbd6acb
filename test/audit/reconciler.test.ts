import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Auditor } from '../../src/audit/auditor.js';
import { Gate } from '../../src/audit/gate.js';
import { addMissing } from '../../src/audit/missingRuns.js';
import { Reconciler } from '../../src/audit/reconciler.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import type { RunStart } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';
import { openOutbox } from '../../src/engines/index.js';
import { openAll } from '../contract/rows.js';
import { openRecorder } from '../support/recorder.js';
import { Looking } from './looking.js';
import { StubTemporal } from './stubTemporal.js';

const PLACE = { namespace: 'default', taskQueue: 'etl' };
const MINUTE = 60_000;

let audit: Looking;
let temporal: StubTemporal;
beforeEach(async () => {
  audit = await Looking.open();
  temporal = new StubTemporal();
});
afterEach(async () => {
  vi.useRealTimers();
  await audit.close();
});

const reconciler = (recorder = audit.recorder): Reconciler =>
  new Reconciler(temporal.reader, recorder, PLACE, audit.logger);
const ago = (ms: number): string => isoTime(Date.now() - ms);
const closedRuns = (count: number, more: Partial<RunStart> = {}): RunStart[] =>
  Array.from({ length: count }, (_, index) => temporal.closedRun(ago(50_000 - index), more));
const rowsOf = async (starts: readonly RunStart[]): Promise<number> =>
  (await audit.runs(starts.map(({ RunID }) => RunID))).length;
const watermark = (): string =>
  audit.sql((db) =>
    db.prepare("SELECT Watermark FROM Turn WHERE Scope LIKE 'reconcile%'").pluck().get(),
  ) as string;

function setWatermark(time: string): string {
  audit.sql((db) => db.prepare("UPDATE Turn SET Watermark = ? WHERE Scope LIKE 'reconcile%'").run(time));
  return time;
}

it('stops within seconds while the store is locked', async () => {
  const lock = audit.lock();
  const looking = reconciler();
  looking.start();
  await delay(100);
  const began = Date.now();
  await looking.stop();
  expect(Date.now() - began).toBeLessThan(4_000);
  lock.release();
});

it('lets a worker shut down within seconds while the store is locked', async () => {
  const auditor = new Auditor(
    {
      openStore: () => audit.another(),
      openOutbox: () => openOutbox(join(audit.folder, 'outbox.db')),
      strict: false,
    },
    new Gate(),
    () => audit.logger,
  );
  await auditor.open();
  const lock = audit.lock();
  const client = (): never => ({}) as never;
  await auditor.workerStarts(client, PLACE);
  await delay(100);
  const began = Date.now();
  auditor.workerStops(PLACE);
  await auditor.workerStopped(client, PLACE);
  expect(Date.now() - began).toBeLessThan(13_000);
  lock.release();
});

it('stops in the middle of what it catches up on', async () => {
  const starts = closedRuns(400);
  const looking = reconciler();
  looking.start();
  await expect.poll(() => temporal.reads.length).toBeGreaterThan(4);
  const began = Date.now();
  await looking.stop();
  // All 400 take ten seconds.
  expect(Date.now() - began).toBeLessThan(6_000);
  expect(await rowsOf(starts)).toBeLessThan(200);
  expect(audit.said('could not look')).toEqual([]);
});

it('goes on past a run that can not be read, names it, and stops the watermark before it', async () => {
  const starts = closedRuns(12);
  const [bad] = starts;
  temporal.faults.set(bad!.RunID, new Error('message larger than max'));
  const looking = reconciler();
  await looking.look();
  setWatermark(ago(MINUTE));
  await looking.look();
  expect(await rowsOf(starts)).toBe(11);
  const { WorkflowID, RunID } = bad!;
  expect(audit.said('could not be given its batch yet')).toMatchObject([{ WorkflowID, RunID }]);
  expect(watermark()).toBe(bad!.StartTime);
  expect(looking.lookedUpTo).toBe(bad!.StartTime);
  // It is well again: the next tries come after pauses.
  temporal.faults.clear();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
  await looking.look();
  expect(await rowsOf(starts)).toBe(12);
  expect(watermark()).toBe(starts.at(-1)!.StartTime);
});

it('gives up a run that fails for ten minutes: the watermark passes it, and the log says so once', async () => {
  const starts = closedRuns(5);
  const { WorkflowID, RunID } = starts[0]!;
  temporal.faults.set(RunID, new Error('message larger than max'));
  const looking = reconciler();
  await looking.look();
  setWatermark(ago(MINUTE));
  for (const minutes of [1, 5, 11, 17]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * MINUTE });
    await looking.look();
  }
  expect(watermark()).toBe(starts.at(-1)!.StartTime);
  expect(audit.said('stops trying')).toMatchObject([{ WorkflowID, RunID }]);
  expect(temporal.reads.filter((one) => one === RunID).length).toBeLessThan(8);
});

it('takes no failure of Temporal or the store for one of the runs', async () => {
  const starts = closedRuns(8);
  temporal.faults.set(starts[0]!.RunID, new Error('unavailable'));
  temporal.answerMs.set(starts[1]!.RunID, 50);
  const adding = addMissing(temporal.reader, audit.recorder, '');
  await expect.poll(() => temporal.reads.length).toBe(4);
  temporal.isDown = true;
  await expect(adding).rejects.toThrow('unavailable');
  expect(audit.said('could not be given its batch yet')).toEqual([]);
});

it('does not pass runs that it read while the store went down', async () => {
  const looking = reconciler();
  await looking.look();
  const before = setWatermark(ago(MINUTE));
  const starts = closedRuns(3);
  temporal.answerMs.set(starts[2]!.RunID, 200);
  const look = looking.look();
  await expect.poll(() => temporal.reads.length).toBe(3);
  audit.store.isDown = true;
  await look;
  expect(watermark()).toBe(before);
  expect(audit.said('could not look')).toHaveLength(1);
  audit.store.isDown = false;
  await expect.poll(() => audit.recorder.store !== undefined).toBe(true);
  await looking.look();
  expect(await rowsOf(starts)).toBe(3);
  expect(watermark()).toBe(starts[2]!.StartTime);
});

it('keeps the links of runs whose histories come in another order', async () => {
  const parent = temporal.closedRun(ago(50_000));
  const child = temporal.closedRun(ago(49_000), { parentRunID: parent.RunID });
  const next = temporal.closedRun(ago(48_000), { previousRunID: child.RunID });
  temporal.answerMs.set(parent.RunID, 60).set(child.RunID, 30);
  await addMissing(temporal.reader, audit.recorder, '');
  const batches = await audit.store.transaction((tx) => tx.findBatches([1, 2, 3]));
  const byWorkflow = new Map(batches.map((batch) => [batch.WorkflowID, batch]));
  const of = ({ WorkflowID }: RunStart) => byWorkflow.get(WorkflowID)!;
  expect(of(child).ParentLogID).toBe(of(parent).LogID);
  expect(of(next).PreviousLogID).toBe(of(child).LogID);
});

it('lets a run wait for its parent, which could not be read yet', async () => {
  const parent = temporal.closedRun(ago(50_000));
  const child = temporal.closedRun(ago(49_000), { parentRunID: parent.RunID });
  temporal.faults.set(parent.RunID, new Error('too large'));
  expect(await addMissing(temporal.reader, audit.recorder, '')).toMatchObject({ added: 0, failed: [{}, {}] });
  temporal.faults.clear();
  expect(await addMissing(temporal.reader, audit.recorder, '')).toMatchObject({ added: 2, failed: [] });
  const [, second] = await audit.store.transaction((tx) => tx.findBatches([1, 2]));
  expect(second).toMatchObject({ WorkflowID: child.WorkflowID, ParentLogID: 1 });
});

it('reads 40 histories in a second at most, and none of runs that have a row', async () => {
  const starts = closedRuns(60);
  const began = Date.now();
  await addMissing(temporal.reader, audit.recorder, '');
  expect(Date.now() - began).toBeGreaterThan(((60 - 4) / 40) * 1_000 - 50);
  expect(temporal.reads).toHaveLength(starts.length);
  await addMissing(temporal.reader, audit.recorder, '');
  expect(temporal.reads).toHaveLength(starts.length);
  closedRuns(2);
  await addMissing(temporal.reader, audit.recorder, '');
  expect(temporal.reads).toHaveLength(starts.length + 2);
});

it('goes on from its watermark, with two minutes of overlap', async () => {
  const looking = reconciler();
  await looking.look();
  const first = watermark();
  const end = isoTime(Date.now() + 30_000);
  const seen = temporal.closedRun(end);
  await looking.look();
  expect(watermark()).toBe(end);
  // Visibility shows these later than the one that closed after them.
  const late = temporal.closedRun(isoTime(Date.parse(end) - 100_000));
  const tooLate = temporal.closedRun(isoTime(Date.parse(end) - 130_000));
  await looking.look();
  expect(temporal.queries.map((query) => /'([^']*)'$/.exec(query)![1])).toEqual(
    [first, first, end].map((time) => isoTime(Date.parse(time) - 120_000)),
  );
  expect([await rowsOf([seen, late]), await rowsOf([tooLate])]).toEqual([2, 0]);
  expect(watermark()).toBe(end);
});

it('looks again an hour and a day after the end, for runs that visibility shows later than the overlap', async () => {
  const began = Date.now();
  const at = (minutes: number): number => began + minutes * MINUTE;
  const looksAt = async (looking: Reconciler, minutes: number): Promise<void> => {
    vi.useFakeTimers({ toFake: ['Date'], now: at(minutes) });
    await looking.look();
  };
  const looking = reconciler();
  await looking.look();
  temporal.closedRun(isoTime(at(10)));
  await looksAt(looking, 10);
  const [late, veryLate] = [temporal.closedRun(isoTime(at(5))), temporal.closedRun(isoTime(at(4)))];
  const hidden = temporal.known.get(veryLate.RunID)!;
  temporal.known.delete(veryLate.RunID);
  await looksAt(looking, 21);
  expect(await rowsOf([late])).toBe(0);
  await looksAt(looking, 66);
  expect(await rowsOf([late])).toBe(1);
  temporal.known.set(veryLate.RunID, hidden);
  await looksAt(looking, 120);
  expect(await rowsOf([veryLate])).toBe(0);
  // Another worker goes on where this one stops.
  await looking.stop();
  const next = reconciler();
  await looksAt(next, 24 * 60 + 3);
  expect(await rowsOf([veryLate])).toBe(0);
  await looksAt(next, 24 * 60 + 14);
  expect(await rowsOf([veryLate])).toBe(1);
  // Each run is listed once by such a look, and read only where it has no row.
  const windows = temporal.queries.flatMap((query) => {
    const [, since, until] = /CloseTime >= '(.*)' AND CloseTime < '(.*)'/.exec(query) ?? [];
    return since === undefined ? [] : [[since, until]];
  });
  const [firstHour, secondHour] = windows;
  expect(secondHour![0]).toBe(firstHour![1]);
  expect(temporal.reads).toHaveLength(3);
});

it('tries a run that it gave up once more with each later look, and says nothing new of it', async () => {
  const looking = reconciler();
  await looking.look();
  const began = Date.now();
  const { RunID } = temporal.closedRun(isoTime(began + MINUTE));
  temporal.faults.set(RunID, new Error('message larger than max'));
  for (const minutes of [2, 3, 8, 14, 20, 75, 90]) {
    vi.useFakeTimers({ toFake: ['Date'], now: began + minutes * MINUTE });
    // The looks leave it behind.
    if (minutes === 20) temporal.closedRun(isoTime(began + 19 * MINUTE));
    await looking.look();
  }
  temporal.faults.clear();
  await looking.look();
  expect(await audit.runs([RunID])).toEqual([]);
  expect(audit.said('stops trying')).toHaveLength(1);
  vi.useFakeTimers({ toFake: ['Date'], now: began + (24 * 60 + 10) * MINUTE });
  await looking.look();
  expect(await audit.runs([RunID])).toHaveLength(1);
});

it('leaves the looks to one of two, and to the other one when that stops, or dies', async () => {
  const [one, other] = await Promise.all([
    openRecorder(await audit.another(), audit.logger),
    openRecorder(await audit.another(), audit.logger),
  ]);
  try {
    const [first, second, third] = [one, other, one].map(({ recorder }) => reconciler(recorder));
    await first!.look();
    await second!.look();
    expect(temporal.queries).toHaveLength(1);
    expect([first!.lookedUpTo !== undefined, second!.lookedUpTo]).toEqual([true, undefined]);
    await first!.stop();
    const tookOver = async (): Promise<boolean> => {
      await second!.look();
      return second!.lookedUpTo !== undefined;
    };
    await expect.poll(tookOver).toBe(true);
    expect(temporal.queries).toHaveLength(2);
    await third!.look();
    expect(third!.lookedUpTo).toBeUndefined();
    // The second one dies: nobody gives its turn back, and a minute later it is over.
    audit.sql((db) => db.exec("UPDATE Turn SET HeldUntil = '2026-01-01T00:00:00.000Z'"));
    await third!.look();
    expect(third!.lookedUpTo).toBeDefined();
    expect(temporal.queries).toHaveLength(3);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
});

it('tells since when it has not looked, also if it never could', async () => {
  temporal.isDown = true;
  const began = isoTime(Date.now());
  const looking = reconciler();
  await looking.look();
  await looking.look();
  expect(looking.lookedUpTo! >= began).toBe(true);
  expect(audit.said('could not look for runs')).toHaveLength(1);
  const stuck = looking.lookedUpTo!;
  temporal.isDown = false;
  await delay(5);
  await looking.look();
  expect(looking.lookedUpTo! > stuck).toBe(true);
  expect(audit.said('looks for runs that no worker saw again')).toHaveLength(1);
});

it('warns of runs that ended long ago and can not be certified, whatever their rows say', async () => {
  temporal.retention = 24 * 60 * MINUTE;
  const aging = temporal.closedRun(ago(23 * 60 * MINUTE));
  const young = temporal.closedRun(ago(60 * MINUTE));
  const runningOn = temporal.runningRun({ StartTime: ago(48 * 60 * MINUTE) });
  await openAll(audit.store, [aging, young, runningOn]);
  await reconciler().look();
  const { WorkflowID, RunID } = aging;
  expect(audit.said('Temporal erases their histories soon')).toMatchObject([
    { runs: 1, LogID: 1, WorkflowID, RunID, oldest: aging.StartTime },
  ]);
});

it('warns when the store is down for most of the retention', async () => {
  temporal.retention = 24 * 60 * MINUTE;
  const looking = reconciler();
  await looking.look();
  audit.store.isDown = true;
  await audit.recorder.settle(await temporal.history(temporal.closedRun(ago(1_000)))).catch(() => undefined);
  await looking.look();
  expect(audit.said('The audit store is down, and Temporal')).toEqual([]);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20 * 60 * MINUTE });
  await looking.look();
  expect(audit.said('The audit store is down, and Temporal')).toHaveLength(1);
});

it('closes a row whose run Temporal no longer knows, and says it once', async () => {
  const gone = temporal.closedRun(ago(48 * 60 * MINUTE));
  const young = temporal.closedRun(ago(1_000));
  const runningOn = temporal.runningRun();
  await openAll(audit.store, [gone, young, runningOn]);
  for (const { RunID } of [gone, young]) temporal.known.delete(RunID);
  await reconciler().look();
  await reconciler().look();
  const [given, ...left] = await audit.runs([gone, young, runningOn].map(({ RunID }) => RunID));
  expect(given).toMatchObject({ Status: 'TimedOut', CertifiedEventID: null, HistoryHash: null });
  expect(given!.CertifiedAt).not.toBeNull();
  expect(left.map(({ Status, CertifiedAt }) => [Status, CertifiedAt])).toEqual([
    ['Running', null],
    ['Running', null],
  ]);
  const { WorkflowID, RunID } = gone;
  expect(audit.said('before it was certified')).toMatchObject([{ LogID: 1, WorkflowID, RunID }]);
});

it('asks Temporal for all pages', async () => {
  const all = Array.from({ length: 5 }, (_, index) => ({
    execution: { workflowId: `w${index}`, runId: `r${index}` },
  }));
  const listWorkflowExecutions = async ({
    pageSize,
    nextPageToken,
  }: {
    pageSize: number;
    nextPageToken?: Buffer;
  }) => {
    const from = Number(nextPageToken ?? 0);
    const rest = from + pageSize < all.length;
    return {
      executions: all.slice(from, from + pageSize),
      nextPageToken: rest ? Buffer.from(String(from + pageSize)) : Buffer.alloc(0),
    };
  };
  const client = {
    workflowService: { listWorkflowExecutions },
    withDeadline: <T>(_: number, work: () => Promise<T>) => work(),
  } as never;
  const pages: number[] = [];
  for await (const page of new TemporalReader(() => client, 'default', 2).closed('x'))
    pages.push(page.length);
  expect(pages).toEqual([2, 2, 1]);
});
