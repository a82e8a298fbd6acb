import { expect, it } from 'vitest';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { closeErased } from '../../src/audit/ledger/closeErased.js';
import { closeRuns } from '../../src/audit/ledger/closeRuns.js';
import { settleRuns } from '../../src/audit/ledger/settleRuns.js';
import type { BatchRef, RunStart } from '../../src/domain/model.js';
import { rootOf, sealable } from '../../src/audit/proof.js';
import { everyEngine, unique } from './engines.js';
import { FAILED, event, NOW, open, openAll, read, record, runHistory, runStart, settle } from './rows.js';

const FAILURE = { status: 'Error', error: { type: 'Error', message: 'disk full' } } as const;

everyEngine('settling', ({ audit }) => {
  const openOne = async (more: Partial<RunStart> = {}): Promise<{ start: RunStart; ref: BatchRef }> => {
    const start = runStart(more);
    return { start, ref: await open(audit.store, start) };
  };
  const resetOf = ({ RunID, WorkflowID }: RunStart): RunStart =>
    runStart({ OriginalRunID: RunID, WorkflowID });
  const batchOf = async (ref: BatchRef) => (await read(audit.store, ref)).batch;

  it('closes a batch with its status, duration, counts and certificate', async () => {
    const { start, ref } = await openOne();
    const later = '2026-03-29T01:05:00.000Z';
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { RowsProcessed: 40, SourceSystem: 'ERP' }),
      event(ref, { ActivityID: '2', EventType: 'start', EventTime: later }),
      event(ref, { ActivityID: '2', EventTime: later, RowsProcessed: 2, SourceSystem: 'CRM' }),
    ]);
    await settle(audit.store, [runHistory(start, {}, [{}, { ActivityID: '2' }])]);
    const { batch, runs, events, alerts } = await read(audit.store, ref);
    expect(batch).toMatchObject({
      ...{ Status: 'Success', EndTime: '2026-03-29T01:10:00.000Z', DurationMs: 600_001, ErrorMessage: null },
      ...{ RowsProcessed: 42, SourceSystem: 'ERP, CRM', Resolution: null, AlertTriggered: false },
    });
    expect(runs).toMatchObject([
      { Status: 'Success', Reason: 'start', CertifiedEventID: 11, GapCount: 0, EndTime: batch.EndTime },
    ]);
    expect(events.map(({ Witness }) => Witness)).toEqual(['both', 'both', 'both', 'both']);
    expect(alerts).toEqual([]);
  });

  it('shows a good end at once, and what history proves about it later', async () => {
    const { start, ref } = await openOne();
    const end = { ...ref, Status: 'Success', EndTime: '2026-03-29T01:10:00.000Z' } as const;
    await inLedger(audit.store, (ledger) => closeRuns(ledger, [end]));
    const { batch, runs } = await read(audit.store, ref);
    expect([batch.Status, runs[0]!.Status, runs[0]!.CertifiedAt]).toEqual(['Success', 'Success', null]);
    await settle(audit.store, [runHistory(start, { counts: { RowsProcessed: 9 } })]);
    expect((await read(audit.store, ref)).batch).toMatchObject({ Status: 'Success', RowsProcessed: 9 });
  });

  it('twice changes nothing more', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { EventType: 'failure', ErrorMessage: 'disk full', RetryStatus: 'exhausted' }),
    ]);
    const history = runHistory(start, FAILURE, [{ end: FAILED }]);
    await settle(audit.store, [history]);
    const once = await read(audit.store, ref);
    await settle(audit.store, [history]);
    expect(await read(audit.store, ref)).toEqual(once);
    expect(once.alerts.map(({ Rule }) => Rule)).toEqual(['step-failed', 'batch-failed']);
  });

  it('by two connections at the same moment leaves one set of alerts and the right RetryCount', async () => {
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const { start, ref } = await openOne();
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { EventType: 'retry', RetryStatus: 'retrying' }),
      event(ref, { EventType: 'start', Attempt: 2 }),
    ]);
    const history = runHistory(start, FAILURE, [{ attempt: 2, end: FAILED }]);
    await Promise.all([one, other, one, other].map((store) => settle(store, [history])));
    const { batch, alerts, events } = await read(audit.store, ref);
    expect(alerts.map(({ Rule }) => Rule).sort()).toEqual(['batch-failed', 'step-failed']);
    expect(batch).toMatchObject({ RetryCount: 1, Status: 'Error', Resolution: 'open' });
    expect(events.map(({ EventType }) => EventType)).toEqual(['start', 'retry', 'start', 'failure']);
  });

  it('by two connections of many runs in opposite orders ends, and closes each once', async () => {
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const starts = Array.from({ length: 10 }, () => runStart());
    const refs = await openAll(audit.store, starts);
    const histories = starts.map((start) => runHistory(start, FAILURE));
    await Promise.all([settle(one, histories), settle(other, histories.toReversed())]);
    const records = await audit.store.transaction((tx) => tx.readBatches(refs.map(({ LogID }) => LogID)));
    expect(records.map(({ batch }) => batch.Status)).toEqual(Array<string>(10).fill('Error'));
    expect(records.map(({ alerts }) => alerts.length)).toEqual(Array<number>(10).fill(1));
  });

  it('beside a connection that records the same run counts what both say', async () => {
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const { start, ref } = await openOne();
    const late = [1, 2, 3, 4].map((number) =>
      event(ref, { EventType: 'start', ActivityID: `late ${number}` }),
    );
    await Promise.all([
      settle(one, [runHistory(start, { counts: { RowsProcessed: 5 } })]),
      ...late.map((one) => record(other, [one])),
    ]);
    const { batch, events } = await read(audit.store, ref);
    expect(batch).toMatchObject({ Status: 'Success', RowsProcessed: 5 });
    expect(events.filter(({ EventType }) => EventType === 'start')).toHaveLength(4);
  });

  it('closes, a reset opens again under the same LogID, and its success repairs the batch', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { EventType: 'failure', RetryStatus: 'exhausted' }),
    ]);
    await settle(audit.store, [runHistory(start, FAILURE, [{ end: FAILED }])]);
    expect(await batchOf(ref)).toMatchObject({
      ...{ Status: 'Error', Resolution: 'open', AlertTriggered: true, ErrorMessage: 'disk full' },
    });

    const reset = resetOf(start);
    expect((await open(audit.store, reset, '2026-03-29T02:00:00.000Z')).LogID).toBe(ref.LogID);
    expect(await batchOf(ref)).toMatchObject({
      ...{ Status: 'Running', RunID: reset.RunID, EndTime: null, ErrorMessage: null, Resolution: 'open' },
    });

    await settle(audit.store, [runHistory(reset, { time: '2026-03-29T02:10:00.000Z' })]);
    const { batch, runs, alerts } = await read(audit.store, ref);
    expect(batch).toMatchObject({ Status: 'Success', Resolution: 'replayed', ResolvedByLogID: ref.LogID });
    expect(runs.map(({ Status, Reason, ErrorMessage }) => [Status, Reason, ErrorMessage])).toEqual([
      ['Error', 'start', 'disk full'],
      ['Success', 'reset', null],
    ]);
    expect(alerts.filter(({ ResolvedAt }) => ResolvedAt === null)).toEqual([]);
    expect(alerts).toHaveLength(2);
  });

  it('says that a batch is open again when a later run fails, and what it was before', async () => {
    const { start, ref } = await openOne();
    const runs = [start, resetOf(start), resetOf(start), resetOf(start)];
    for (const [index, run] of runs.entries()) {
      const now = `2026-03-29T0${2 + index}:00:00.000Z`;
      await open(audit.store, run, now);
      await settle(
        audit.store,
        [runHistory(run, index % 2 === 0 ? { ...FAILURE, time: now } : { time: now })],
        now,
      );
    }
    const { batch, events } = await read(audit.store, ref);
    expect(batch.Resolution).toBe('replayed');
    expect(
      events.map(({ StepName, EventType, RunID, Message }) => [StepName, EventType, RunID, Message]),
    ).toEqual([
      ['resolution', 'info', runs[1]!.RunID, `replayed by batch ${ref.LogID}`],
      ['resolution', 'info', runs[2]!.RunID, 'open again'],
      ['resolution', 'info', runs[3]!.RunID, `replayed by batch ${ref.LogID}`],
    ]);
  });

  it('is repaired, too, by a reset that goes on as another batch, which may fail by itself', async () => {
    const { start, ref } = await openOne();
    await settle(audit.store, [runHistory(start, FAILURE)]);
    const reset = resetOf(start);
    const next = runStart({ previousRunID: reset.RunID });
    await openAll(audit.store, [reset, next]);
    const nextRef = await open(audit.store, next);
    await settle(audit.store, [runHistory(next, FAILURE)]);
    await settle(audit.store, [runHistory(reset, { status: 'Continued' })]);
    const { batch, alerts } = await read(audit.store, ref);
    expect(batch).toMatchObject({ Status: 'Continued', Resolution: 'replayed', ResolvedByLogID: ref.LogID });
    expect(alerts.filter(({ ResolvedAt }) => ResolvedAt === null)).toEqual([]);
    expect(await batchOf(nextRef)).toMatchObject({ PreviousLogID: ref.LogID, Resolution: 'open' });
  });

  it('ends a batch with the last of two resets, in whatever order they are seen', async () => {
    const { start, ref } = await openOne();
    const [between, last] = ['2026-03-29T02:00:00.000Z', '2026-03-29T02:00:00.060Z'].map((RunStartTime) => ({
      ...resetOf(start),
      RunStartTime,
    }));
    const resetAway = { status: 'Terminated', byReset: true } as const;
    await settle(audit.store, [
      runHistory(start, resetAway),
      runHistory(last!, { time: '2026-03-29T02:10:00.000Z' }),
    ]);
    await open(audit.store, between!);
    await settle(audit.store, [runHistory(between!, resetAway)]);
    expect(await batchOf(ref)).toMatchObject({ RunID: last!.RunID, Status: 'Success' });
    const [seal] = await audit.store.transaction((tx) => tx.findSeals([ref.LogID]));
    expect(seal!.Root).toBe(rootOf(sealable(await read(audit.store, ref))!, seal!));
  });

  it('takes a base run and its reset in one group', async () => {
    const { start, ref } = await openOne();
    const reset = resetOf(start);
    await settle(audit.store, [
      runHistory(start, { status: 'Terminated', byReset: true }),
      runHistory(reset, { time: '2026-03-29T02:10:00.000Z' }),
    ]);
    const { batch, runs, alerts } = await read(audit.store, ref);
    expect(batch).toMatchObject({ Status: 'Success', RunID: reset.RunID, Resolution: null });
    expect(runs.map(({ Status }) => Status).sort()).toEqual(['Success', 'Terminated']);
    expect(alerts).toEqual([]);
  });

  it('answers the run when it is certified, and not when a late event had its history read again', async () => {
    const { start, ref } = await openOne();
    const history = runHistory(start, {}, [{}]);
    const certify = () => inLedger(audit.store, (ledger) => settleRuns(ledger, [history]));
    expect(await certify()).toMatchObject([{ RunID: start.RunID, GapCount: 2 }]);
    await record(audit.store, [event(ref)]);
    expect((await read(audit.store, ref)).runs[0]!.CertifiedAt).toBeNull();
    expect(await certify()).toEqual([undefined]);
    expect((await read(audit.store, ref)).runs[0]!.CertifiedAt).not.toBeNull();
  });

  it('closes a run whose history is erased as nobody knows how it ended, for a person to look at', async () => {
    const Namespace = unique('namespace');
    const { start, ref } = await openOne({ Namespace });
    const seenAt = '2026-03-29T01:05:00.000Z';
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { RowsProcessed: 40 }),
      event(ref, { ActivityID: '2', EventType: 'start', EventTime: seenAt }),
    ]);
    const giveUp = () => inLedger(audit.store, (ledger) => closeErased(ledger, start.RunID), NOW);
    const { LogID, RunID } = ref;
    expect(await giveUp()).toMatchObject({
      ...{ LogID, RunID, EndTime: seenAt, CertifiedAt: NOW },
      Status: 'TimedOut',
    });
    const given = await read(audit.store, ref);
    expect(given.batch).toMatchObject({ Status: 'TimedOut', Resolution: 'open', RowsProcessed: 40 });
    expect(given.batch.ErrorMessage).toContain('no longer knows this run');
    expect(given.runs).toMatchObject([{ CertifiedEventID: null, HistoryHash: null, GapCount: null }]);
    const [lost, ...more] = given.events.filter(({ EventType }) => EventType === 'lost');
    expect([lost, more]).toMatchObject([{ ActivityID: '2', Witness: 'live' }, []]);
    expect(given.alerts.map(({ Rule }) => Rule)).toEqual(['batch-failed']);
    for (const ended of [true, false]) {
      expect(await audit.store.uncertifiedRuns({ namespace: Namespace, ended, limit: 10 })).toEqual([]);
    }
    const [seal] = await audit.store.transaction((tx) => tx.findSeals([ref.LogID]));
    expect(seal!.Root).toBe(rootOf(sealable(given)!, seal!));
    // Another worker may have found it, too.
    expect(await giveUp()).toBeUndefined();
    expect(await read(audit.store, ref)).toEqual(given);
    // If Temporal knows it after all, its history has the last word.
    await settle(audit.store, [runHistory(start, {}, [{}])]);
    expect((await read(audit.store, ref)).runs).toMatchObject([{ Status: 'Success', CertifiedEventID: 11 }]);
  });

  it('keeps the certificate of a run whose history is erased when an event comes late', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' })]);
    await settle(audit.store, [runHistory(start, { status: 'TimedOut' }, [{ end: undefined }])]);
    const before = await read(audit.store, ref);
    await record(audit.store, [
      event(ref, { ActivityID: '2', EventType: 'start' }),
      event(ref, { ActivityID: '2', EventType: 'failure', RetryStatus: 'exhausted' }),
    ]);
    const later = '2026-04-29T01:00:00.000Z';
    await inLedger(audit.store, (ledger) => closeErased(ledger, start.RunID), later);
    const after = await read(audit.store, ref);
    expect(after.runs).toEqual(before.runs.map((run) => ({ ...run, CertifiedAt: later })));
    expect([after.batch, after.alerts]).toEqual([before.batch, before.alerts]);
    const end = after.events.find(({ EventType }) => EventType === 'failure')!;
    expect([end.Message, end.AlertTriggered]).toEqual([expect.stringMatching(/^late: /), false]);
    const [seal] = await audit.store.transaction((tx) => tx.findSeals([ref.LogID]));
    expect(seal!.Root).toBe(rootOf(sealable(after)!, seal!));
  });

  it('opens the batch of a run that no worker opened', async () => {
    const start = runStart();
    await settle(audit.store, [runHistory(start, { status: 'Terminated' }, [{}])]);
    const { LogID } = await open(audit.store, start);
    const { batch, events, alerts } = await read(audit.store, { LogID });
    expect(batch).toMatchObject({ Status: 'Terminated', Resolution: 'open' });
    expect([events.length, alerts.length]).toEqual([2, 1]);
  });

  it('leaves every status as Temporal says it', async () => {
    const statuses = ['Success', 'Error', 'Cancelled', 'Terminated', 'TimedOut', 'Continued'] as const;
    const starts = statuses.map(() => runStart());
    const refs = await openAll(audit.store, starts);
    await settle(
      audit.store,
      starts.map((start, index) => runHistory(start, { status: statuses[index]! })),
    );
    const records = await audit.store.transaction((tx) => tx.findBatches(refs.map(({ LogID }) => LogID)));
    const byID = new Map(records.map((batch) => [batch.LogID, batch]));
    expect(refs.map(({ LogID }) => [byID.get(LogID)!.Status, byID.get(LogID)!.Resolution])).toEqual(
      statuses.map((status) => [
        status,
        ['Error', 'Terminated', 'TimedOut'].includes(status) ? 'open' : null,
      ]),
    );
  });
});
