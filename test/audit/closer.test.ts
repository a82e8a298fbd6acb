import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { certifyDue } from '../../src/audit/certifyDue.js';
import { Closer } from '../../src/audit/closer.js';
import { closeRuns } from '../../src/audit/ledger/closeRuns.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { RateLimit } from '../../src/audit/rateLimit.js';
import { LOOK_WIDTH } from '../../src/audit/uncertified.js';
import type { BatchStatus, RunStart } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';
import type { UncertifiedPage } from '../../src/engines/contract.js';
import { openAll } from '../contract/rows.js';
import { Looking } from './looking.js';
import { StubTemporal } from './stubTemporal.js';

let audit: Looking;
let temporal: StubTemporal;
let closer: Closer;
beforeEach(async () => {
  audit = await Looking.open();
  temporal = new StubTemporal();
  closer = new Closer(temporal.reader, audit.recorder, audit.logger);
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await closer.stop();
  await audit.close();
});

const ended = () => temporal.closedRun(isoTime(Date.now() - 5_000));

it('comes back to a run that fails after longer and longer pauses, and says it once a minute, with its ids', async () => {
  const [bad, good] = [ended(), ended()];
  await openAll(audit.store, [bad, good]);
  temporal.faults.set(bad.RunID, new Error('message larger than max'));
  closer.start();
  await delay(5_000);
  // At 0, 1, 3 s, and not at each of the looks.
  expect(temporal.reads.filter((runID) => runID === bad.RunID)).toHaveLength(3);
  const { WorkflowID, RunID } = bad;
  expect(audit.said('could not close a batch')).toMatchObject([
    { LogID: 1, WorkflowID, RunID, runsThatFail: 1 },
  ]);
  expect((await audit.runs([good.RunID]))[0]!.CertifiedAt).not.toBeNull();
});

it('names the batch, too, of a run that its own worker says is about to close', async () => {
  const start = ended();
  const { LogID } = await audit.recorder.open(start);
  temporal.faults.set(start.RunID, new Error('message larger than max'));
  closer.expectClose(start);
  const { WorkflowID, RunID } = start;
  await expect
    .poll(() => audit.said('could not close a batch'))
    .toMatchObject([{ LogID, WorkflowID, RunID }]);
});

it('says once that Temporal does not answer, and once that it does again', async () => {
  temporal.isDown = true;
  for (let look = 0; look < 5; look++) await closer.lookForEnds();
  temporal.isDown = false;
  for (let look = 0; look < 3; look++) await closer.lookForEnds();
  expect(audit.said('could not ask which runs have ended')).toHaveLength(1);
  expect(audit.said('Temporal tells again')).toHaveLength(1);
});

it('while many runs end shows good ends at once, and reads their histories half a minute later, or when it stops', async () => {
  const starts = Array.from({ length: 4 }, () => temporal.runningRun());
  const [good, later, bad, other] = starts as [RunStart, RunStart, RunStart, RunStart];
  await openAll(audit.store, starts);
  // Which ones they are does not count.
  for (let count = 0; count < 6; count++) closer.expectClose(other);
  const goesOn = setInterval(() => closer.expectClose(other), 50);
  onTestFinished(() => clearInterval(goesOn));
  closer.start();
  const end = (run: RunStart, status: BatchStatus): RunStart =>
    temporal.closedRun(isoTime(Date.now()), run, status);
  end(good, 'Success');
  end(bad, 'Error');
  closer.expectClose(good);
  const seen = async ({ RunID }: RunStart): Promise<[string, boolean]> => {
    const [run] = await audit.runs([RunID]);
    return [run!.Status, run!.CertifiedAt !== null];
  };
  // Why a run failed is in its history only.
  await expect.poll(() => seen(bad)).toEqual(['Error', true]);
  await expect.poll(() => seen(good)).toEqual(['Success', false]);
  expect(temporal.reads).not.toContain(good.RunID);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 });
  await expect.poll(() => seen(good)).toEqual(['Success', true]);
  end(later, 'Success');
  await expect.poll(() => seen(later)).toEqual(['Success', false]);
  await closer.stop();
  expect(await seen(later)).toEqual(['Success', true]);
});

it('asks for 200 rows at a time, in turns, however many are open', async () => {
  const starts = Array.from({ length: 450 }, () => temporal.runningRun());
  await openAll(audit.store, starts);
  const asked: UncertifiedPage[] = [];
  const { uncertifiedRuns } = audit.store;
  audit.store.uncertifiedRuns = (page) => {
    asked.push(page);
    return uncertifiedRuns(page);
  };
  const shown: number[] = [];
  const ended = temporal.ended.bind(temporal);
  temporal.ended = (runs) => {
    shown.push(runs.length);
    return ended(runs);
  };
  for (let look = 0; look < 4; look++) await closer.lookForEnds();
  expect(shown).toEqual([200, 200, 50, 200]);
  expect(asked.map(({ limit }) => limit)).toEqual(Array(8).fill(200));
});

it('certifies all that is due when it stops, also more than one look has', async () => {
  const starts = Array.from({ length: LOOK_WIDTH + 20 }, ended);
  const refs = await openAll(audit.store, starts);
  await inLedger(audit.store, (ledger) =>
    closeRuns(
      ledger,
      refs.map((ref, index) => ({ ...ref, Status: 'Success', EndTime: starts[index]!.StartTime })),
    ),
  );
  await closer.stop();
  const runs = await audit.runs(starts.map(({ RunID }) => RunID));
  expect(runs.filter(({ CertifiedAt }) => CertifiedAt === null)).toEqual([]);
});

it('gives up a run that was closed, and whose history is erased, once for all', async () => {
  const start = ended();
  const [ref] = await openAll(audit.store, [start]);
  const EndTime = start.StartTime;
  await inLedger(audit.store, (ledger) => closeRuns(ledger, [{ ...ref!, Status: 'Success', EndTime }]));
  temporal.known.delete(start.RunID);
  await closer.lookForEnds();
  await expect.poll(() => audit.said('before it was certified')).toHaveLength(1);
  const other = new Closer(temporal.reader, audit.recorder, audit.logger);
  await other.lookForEnds();
  await other.stop();
  expect(temporal.reads).toHaveLength(1);
  expect(await audit.runs([start.RunID])).toMatchObject([
    { Status: 'Success', EndTime, ErrorMessage: null, CertifiedEventID: null },
  ]);
});

it('certifies the others at once when the command does it, and counts what failed and what is gone', async () => {
  const [bad, gone, good, runningOn] = [ended(), ended(), ended(), temporal.runningRun()];
  await openAll(audit.store, [bad, gone, good, runningOn]);
  temporal.faults.set(bad.RunID, new Error('message larger than max'));
  temporal.known.delete(gone.RunID);
  // So long ago that visibility would show it.
  audit.sql((db) =>
    db.prepare('UPDATE PipelineRun SET StartTime = ? WHERE RunID = ?').run(isoTime(0), gone.RunID),
  );
  expect(await certifyDue(temporal.reader, audit.recorder)).toEqual({ certified: 1, gone: 1, failed: 1 });
  const { WorkflowID, RunID } = bad;
  expect(audit.said('could not close a batch')).toMatchObject([{ LogID: 1, WorkflowID, RunID }]);
});

it('reads no more histories in a second than its rate', async () => {
  const rate = new RateLimit(20, 5);
  const starts = Array.from({ length: 15 }, ended);
  await openAll(audit.store, starts);
  const began = Date.now();
  await certifyDue(temporal.reader, audit.recorder, rate);
  expect(Date.now() - began).toBeGreaterThan(450);
});

it('lets as many reads as a burst has go at once', async () => {
  const rate = new RateLimit(0.001, 100);
  await Promise.all(Array.from({ length: 100 }, () => rate.take()));
});
