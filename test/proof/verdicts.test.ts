/** What `verify` says of batches that are neither certified nor tampered with, and of those that should not be. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { closeRuns } from '../../src/audit/ledger/closeRuns.js';
import { dismissBatch } from '../../src/audit/ledger/dismissBatch.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { RateLimit } from '../../src/audit/rateLimit.js';
import type { Verdict } from '../../src/audit/verdict.js';
import { isAttemptEnd } from '../../src/domain/merge.js';
import type { BatchRef, PipelineEvent, RunStart, Seal } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { isoTime } from '../../src/domain/time.js';
import { event, open, openAll, record, runHistory, runStart, settle } from '../contract/rows.js';
import { Audited, DAY_MS, KnownTemporal } from './audited.js';
import { said } from './foundBy.js';

let audited: Audited;
beforeEach(async () => void (audited = await Audited.open()));
afterEach(() => audited.close());

const ago = (ms: number): string => isoTime(Date.now() - ms);

/** A run of a workflow that ended so long ago, and was certified. */
async function certified(endedMs: number, more: Partial<RunStart> = {}): Promise<BatchRef> {
  const start = runStart({ StartTime: ago(endedMs + 60_000), ...more });
  const ref = await open(audited.store, start);
  await record(audited.store, [event(ref, { EventType: 'start' }), event(ref)]);
  const history = runHistory(start, { time: ago(endedMs) }, [{}]);
  await settle(audited.store, [history]);
  audited.temporal.histories.set(start.RunID, history);
  return ref;
}

/** An activity that no workflow started. */
async function standalone(isOver: boolean): Promise<BatchRef> {
  const start = runStart({ WorkflowType: null, StartTime: ago(60_000) });
  const ref = await open(audited.store, start);
  await record(audited.store, [event(ref, { EventType: 'start' })]);
  if (isOver) {
    await record(audited.store, [event(ref)]);
    await settle(audited.store, [{ ...runHistory(start), lastEventID: null, historyHash: null }]);
  }
  return ref;
}

async function verdicts(): Promise<Verdict[]> {
  return (await audited.verify()).batches.map(({ verdict }) => verdict);
}

describe('verify says', () => {
  it('beyond retention, where Temporal has erased the history and the seal holds', async () => {
    const { RunID } = await certified(2 * DAY_MS);
    expect(await verdicts()).toEqual(['certified']);
    audited.temporal.histories.delete(RunID);
    expect(await audited.verify()).toMatchObject({ ok: true, verdicts: { 'beyond retention': 1 } });
    expect(said(await audited.verify())).toBe('');
  });

  it('pending, where a reset ended the run that the batch shows, and the next one is not there', async () => {
    const start = runStart({ StartTime: ago(60_000) });
    await open(audited.store, start);
    const history = runHistory(start, { status: 'Terminated', byReset: true, time: ago(10_000) });
    audited.temporal.histories.set(start.RunID, history);
    await settle(audited.store, [history]);
    const found = await audited.verify();
    expect([found.ok, found.verdicts]).toMatchObject([false, { pending: 1 }]);
    expect(said(found)).toContain(`a reset ended run ${start.RunID}`);
  });

  it('gap, where a history was erased before it was certified', async () => {
    const start = runStart();
    const { LogID, RunID } = await open(audited.store, start);
    const end = { LogID, RunID, Status: 'Success', EndTime: ago(2 * DAY_MS) } as const;
    await inLedger(audited.store, (ledger) => closeRuns(ledger, [end]));
    expect(said(await audited.verify())).toMatch(/gap: run .* was not certified before Temporal erased/);
    expect(await verdicts()).toEqual(['gap']);
  });

  it('gap, where Temporal does not know a run that it can not have erased', async () => {
    const { RunID } = await certified(DAY_MS / 2);
    audited.temporal.histories.clear();
    const found = await audited.verify();
    expect(found).toMatchObject({ ok: false, verdicts: { gap: 1 } });
    expect(said(found)).toMatch(
      new RegExp(
        `gap: Temporal does not know run ${RunID}, which ended at .* Check TEMPORAL_ADDRESS and the namespace default`,
      ),
    );
    audited.temporal.keptMs = 0;
    expect(await verdicts()).toEqual(['gap']);
  });

  it('gap, where Temporal does not know a run that has no end', async () => {
    await open(audited.store, runStart());
    expect(said(await audited.verify())).toMatch(/gap: Temporal does not know run .*, which has no end here/);
  });

  it('pending, where a run has ended and its history was not read yet', async () => {
    const start = runStart({ StartTime: ago(60_000) });
    const ref = await open(audited.store, start);
    audited.temporal.histories.set(start.RunID, runHistory(start, { time: ago(1_000) }));
    const found = await audited.verify();
    expect(found).toMatchObject({ ok: false, verdicts: { pending: 1 } });
    expect(said(found)).toMatch(`pending: run ${ref.RunID} ended at`);
  });

  it('running, where it goes on, and altered, where it only does in Temporal', async () => {
    const start = runStart({ StartTime: ago(60_000) });
    const { LogID, RunID } = await open(audited.store, start);
    audited.temporal.histories.set(RunID, { ...runHistory(start), end: undefined });
    expect(await audited.verify()).toMatchObject({ ok: true, verdicts: { running: 1 } });
    const end = { LogID, RunID, Status: 'Success', EndTime: ago(1_000) } as const;
    await inLedger(audited.store, (ledger) => closeRuns(ledger, [end]));
    expect(said(await audited.verify())).toMatch(/altered: run .* is Success here, and goes on in Temporal/);
  });

  it('no history, of an activity without a workflow; running, until it is over', async () => {
    await standalone(true);
    expect(await audited.verify()).toMatchObject({ ok: true, verdicts: { 'no history': 1 } });
    await standalone(false);
    expect(await audited.verify()).toMatchObject({ ok: true, verdicts: { 'no history': 1, running: 1 } });
    expect(audited.temporal.asked).toEqual([]);
  });
});

describe('a batch of another namespace', () => {
  it('is held against the history of that namespace', async () => {
    const other = new KnownTemporal('other');
    audited.temporal.namespaces.set('other', other);
    const { RunID } = await certified(1_000, { Namespace: 'other' });
    other.histories.set(RunID, audited.temporal.histories.get(RunID)!);
    audited.temporal.histories.clear();
    expect(await verdicts()).toEqual(['certified']);
    expect([audited.temporal.asked, other.asked]).toEqual([[], [RunID]]);
  });

  it('is a gap where Temporal has no such namespace; without its own, verify fails', async () => {
    await certified(5 * DAY_MS, { Namespace: 'elsewhere' });
    expect(said(await audited.verify())).toMatch(
      /gap: .* of the namespace elsewhere, which this Temporal does not/,
    );
    await certified(1_000);
    audited.temporal.retentionMs = () => Promise.reject(new Error('no such namespace'));
    await expect(audited.verify()).rejects.toThrow('no such namespace');
  });
});

describe('while workers go on', () => {
  /** The reader, with something that happens before it answers the first time. */
  function disturbed(name: keyof AuditReader, work: () => Promise<unknown>): AuditReader {
    let isDone = false;
    return new Proxy(audited.reader, {
      get(reader, key: keyof AuditReader) {
        const method = (reader[key] as (...args: unknown[]) => unknown).bind(reader);
        if (key !== name) return method;
        return async (...args: unknown[]) => {
          if (!isDone) {
            isDone = true;
            await work();
          }
          return method(...args);
        };
      },
    });
  }

  it.each(['latestSeals', 'batch'] as const)(
    'a batch that is certified before %s is read is certified',
    async (name) => {
      const start = runStart({ StartTime: ago(60_000) });
      await open(audited.store, start);
      const history = runHistory(start, { time: ago(1_000) });
      audited.temporal.histories.set(start.RunID, history);
      const reader = disturbed(name, () => settle(audited.store, [history]));
      const found = await audited.verify({}, reader);
      expect([found.verdicts, said(found)]).toEqual([{ certified: 1 }, '']);
    },
  );

  it('a batch that is sealed again after its seal was read is certified', async () => {
    const ref = await certified(1_000);
    const zombie = event(ref, { ActivityID: '9', EventType: 'info', Attempt: null });
    const reader = disturbed('batch', async () => {
      await record(audited.store, [zombie]);
      await settle(audited.store, [audited.temporal.histories.get(ref.RunID)!]);
    });
    expect((await audited.verify({}, reader)).verdicts).toEqual({ certified: 1 });
    expect(await sealsOf(ref)).toHaveLength(3);
  });
});

function sealsOf({ LogID }: BatchRef): Promise<Seal[]> {
  return audited.reader.seals({ logID: LogID, limit: 10 });
}

describe('another seal follows', () => {
  it("a zombie's late end, and again when the history was read again", async () => {
    const start = runStart({ StartTime: ago(60_000) });
    const ref = await open(audited.store, start);
    await record(audited.store, [event(ref, { EventType: 'start' })]);
    const history = runHistory(start, { status: 'Terminated', time: ago(1_000) });
    audited.temporal.histories.set(start.RunID, history);
    await settle(audited.store, [history]);
    expect(await sealsOf(ref)).toHaveLength(1);

    await record(audited.store, [event(ref, { Message: 'I am late' })]);
    expect(await sealsOf(ref)).toHaveLength(2);
    expect(await verdicts()).toEqual(['pending']);
    await settle(audited.store, [history]);
    expect(await sealsOf(ref)).toHaveLength(3);
    expect(await verdicts()).toEqual(['certified']);
  });

  it('an end that was taken for lost and that history knows better, which verify names until then', async () => {
    const start = runStart({ StartTime: ago(60_000) });
    const ref = await open(audited.store, start);
    const history = runHistory(start, { time: ago(1_000) }, [{ attempt: 2 }]);
    await settle(audited.store, [history]);
    const endOfFirst = async (): Promise<PipelineEvent> =>
      (await audited.reader.batch(ref.LogID))!.events.find((one) => one.Attempt === 1 && isAttemptEnd(one))!;
    expect(await endOfFirst()).toMatchObject({ EventType: 'lost' });
    const [activity] = history.activities;
    const lastFailure = { type: 'Fault', message: 'disk full', isReported: true };
    const known = { ...history, activities: [{ ...activity!, lastFailure }] };
    audited.temporal.histories.set(start.RunID, known);
    expect(said(await audited.verify())).toMatch(
      /altered: event \w+, lost of step \(activity 1, attempt 1\), should be EventType "retry" instead of "lost"/,
    );

    await record(audited.store, [event(ref, { EventType: 'info', ActivityID: null, Attempt: null })]);
    await settle(audited.store, [known]);
    expect(await endOfFirst()).toMatchObject({
      EventType: 'retry',
      Witness: 'history',
      ErrorMessage: 'disk full',
    });
    expect(await sealsOf(ref)).toHaveLength(3);
    expect(await verdicts()).toEqual(['certified']);
  });

  it('a reset of a certified run, and the end of the run that it made', async () => {
    const first = await certified(10_000);
    const [start] = [...audited.temporal.histories.values()].map((history) => history.start);
    const reset = runStart({
      ...{ OriginalRunID: first.RunID, WorkflowID: start!.WorkflowID, RunStartTime: ago(5_000) },
    });
    expect((await open(audited.store, reset)).LogID).toBe(first.LogID);
    const history = runHistory(reset, { time: ago(1_000) });
    audited.temporal.histories.set(reset.RunID, { ...history, end: undefined });
    expect(await sealsOf(first)).toHaveLength(2);
    expect(await verdicts()).toEqual(['running']);

    audited.temporal.histories.set(reset.RunID, history);
    await settle(audited.store, [history]);
    expect(await sealsOf(first)).toHaveLength(3);
    expect(await verdicts()).toEqual(['certified']);
  });
});

describe('a Resolution has an event and another seal', () => {
  async function failed(more: Partial<RunStart> = {}, willRetry = false): Promise<BatchRef> {
    const start = runStart({ StartTime: ago(60_000), ...more });
    const ref = await open(audited.store, start);
    const history = runHistory(start, { status: 'Error', time: ago(10_000), willRetry });
    audited.temporal.histories.set(start.RunID, history);
    await settle(audited.store, [history]);
    expect(await sealsOf(ref)).toHaveLength(1);
    return ref;
  }

  async function expectSealedAgain(ref: BatchRef, message: string): Promise<void> {
    expect(await sealsOf(ref)).toHaveLength(2);
    const { events } = (await audited.reader.batch(ref.LogID))!;
    expect(events.map(({ StepName, Message }) => [StepName, Message])).toEqual([['resolution', message]]);
    const found = await audited.verify();
    expect([found.ok, said(found)]).toEqual([true, '']);
  }

  it("that is a person's", async () => {
    const ref = await failed();
    await inLedger(audited.store, (ledger) =>
      dismissBatch(ledger, { logID: ref.LogID, reason: 'a test load', by: 'ann' }),
    );
    await expectSealedAgain(ref, 'dismissed by ann: a test load');
  });

  it("that is a replay's", async () => {
    const ref = await failed();
    const replay = await certified(1_000, { replayedRunID: ref.RunID });
    await expectSealedAgain(ref, `replayed by batch ${replay.LogID}`);
  });

  it("that is the workflow's own retry policy's", async () => {
    const ref = await failed({}, true);
    const next = await certified(1_000, { previousRunID: ref.RunID });
    await expectSealedAgain(ref, `superseded by batch ${next.LogID}`);
  });
});

describe('a part of the audit', () => {
  it('is the batches since a time', async () => {
    await certified(3 * DAY_MS);
    const recent = await certified(1_000);
    const { batches } = await audited.verify({ since: ago(DAY_MS) });
    expect(batches.map(({ LogID }) => LogID)).toEqual([recent.LogID]);
    expect(audited.temporal.queries).toEqual([
      expect.stringMatching(/^TaskQueue = 'etl' AND CloseTime >= '.*' AND StartTime >= '.*'$/),
    ]);
    expect(audited.temporal.asked).toEqual([recent.RunID]);
  });

  it('is one batch, and nothing is said of others', async () => {
    const [one, other] = [await certified(2_000), await certified(1_000)];
    audited.temporal.histories.delete(other.RunID);
    const found = await audited.verify({ batch: one.LogID });
    expect(found).toMatchObject({ ok: true, batches: [{ LogID: one.LogID, verdict: 'certified' }] });
    expect(audited.temporal.queries).toEqual([]);
    expect((await audited.verify({ batch: other.LogID })).ok).toBe(false);
    await expect(audited.verify({ batch: 99 })).rejects.toThrow(
      'There is no batch 99. See: batchtrail batches',
    );
  });
});

it('a run that closed before the audit was made is not missing', async () => {
  const createdAt = await audited.reader.createdAt();
  await audited.verify();
  expect(audited.temporal.queries).toEqual([`TaskQueue = 'etl' AND CloseTime >= '${createdAt}'`]);
});

it('each history takes a turn of those that Temporal has for a second, and one it has erased a tenth of it', async () => {
  for (let n = 0; n < 6; n++) await certified(1_000);
  const rate = new RateLimit(10_000, 1);
  const turns = vi.spyOn(rate, 'take');
  const costs = async (): Promise<unknown[]> => {
    turns.mockClear();
    await audited.verify({ rate });
    return turns.mock.calls.map(([, cost]) => cost);
  };
  expect(await costs()).toEqual(Array(6).fill(1));
  audited.temporal.keptMs = 100;
  expect(await costs()).toEqual(Array(6).fill(0.1));
});

it('pages of any number are told one batch at a time, and none is kept', async () => {
  const starts = Array.from({ length: 450 }, () => runStart({ WorkflowType: null }));
  await openAll(audited.store, starts);
  await settle(
    audited.store,
    starts.map((start) => ({ ...runHistory(start), lastEventID: null, historyHash: null })),
  );
  const found = await audited.verify();
  expect(found.verdicts).toEqual({ 'no history': 450 });
  expect(new Set(found.batches.map(({ LogID }) => LogID)).size).toBe(450);
});
