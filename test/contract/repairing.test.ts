/** What is no longer open because another batch has done its work. */
import { expect, it, vi } from 'vitest';
import { closeErased } from '../../src/audit/ledger/closeErased.js';
import { closeRuns } from '../../src/audit/ledger/closeRuns.js';
import { dismissBatch } from '../../src/audit/ledger/dismissBatch.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { settleRuns } from '../../src/audit/ledger/settleRuns.js';
import type { RunHistory } from '../../src/audit/history.js';
import type { BatchRef, PipelineLog, RunStart } from '../../src/domain/model.js';
import { rootOf, sealable } from '../../src/audit/proof.js';
import { everyEngine, unique } from './engines.js';
import { NOW, open, openAll, read, runHistory, runStart, settle } from './rows.js';

const FAILURE = { status: 'Error', error: { type: 'Error', message: 'disk full' } } as const;

everyEngine('repairing', ({ audit, ifAble }) => {
  const batchOf = async (ref: Pick<BatchRef, 'LogID'>): Promise<PipelineLog> =>
    (await read(audit.store, ref)).batch;
  const resetOf = ({ RunID, WorkflowID }: RunStart): RunStart =>
    runStart({ OriginalRunID: RunID, WorkflowID });

  it('settles the tries before it when a retried workflow succeeds, in whatever order they are closed', async () => {
    const first = runStart();
    const second = runStart({ previousRunID: first.RunID });
    const third = runStart({ previousRunID: second.RunID });
    const refs = [];
    for (const start of [first, second, third]) refs.push(await open(audit.store, start));
    await settle(audit.store, [runHistory(second, { ...FAILURE, willRetry: true })]);
    await settle(audit.store, [runHistory(third)]);
    await settle(audit.store, [runHistory(first, { ...FAILURE, willRetry: true })]);
    for (const ref of refs.slice(0, 2)) {
      const { batch, alerts } = await read(audit.store, ref);
      expect(batch).toMatchObject({
        ...{ Status: 'Error', Resolution: 'superseded', RetryStatus: 'recovered' },
        ResolvedByLogID: refs[2]!.LogID,
      });
      expect(alerts.filter(({ ResolvedAt }) => ResolvedAt === null)).toEqual([]);
    }
  });

  it('supersedes what a Schedule started when a later run for the same time succeeds, whichever is closed first', async () => {
    const ScheduleID = `${unique('schedule')} `;
    const at = (hour: number, more: Partial<RunStart> = {}): RunStart =>
      runStart({
        ...{ ScheduleID, ScheduledTime: '2026-03-29T01:00:00.000Z' },
        ...{ StartTime: `2026-03-29T0${hour}:00:00.000Z`, ...more },
      });
    const tooEarly = at(1);
    const failures = [at(2), at(3), at(4)];
    const success = at(5);
    const others = [
      at(6),
      at(2, { ScheduledTime: '2026-03-29T02:00:00.000Z' }),
      at(2, { ScheduleID: ScheduleID.trim() }),
      at(2, { Namespace: unique('namespace') }),
      runStart({ StartTime: '2026-03-29T02:00:00.000Z' }),
    ];
    const starts = [tooEarly, ...failures, success, ...others];
    const refs = await openAll(audit.store, starts);
    const refOf = (start: RunStart): BatchRef => refs[starts.indexOf(start)]!;
    await settle(audit.store, [runHistory(tooEarly)]);
    await settle(audit.store, [
      runHistory(failures[0]!, FAILURE),
      ...others.map((start) => runHistory(start, FAILURE)),
    ]);
    await inLedger(audit.store, async (ledger) => {
      await settleRuns(ledger, [runHistory(failures[2]!, FAILURE)]);
      await dismissBatch(ledger, { logID: refOf(failures[2]!).LogID, reason: 'known', by: 'Ada' });
    });
    await settle(audit.store, [runHistory(success)]);
    await settle(audit.store, [runHistory(failures[1]!, { ...FAILURE, willRetry: true })]);

    const { LogID } = refOf(success);
    for (const start of failures.slice(0, 2)) {
      const failed = await read(audit.store, refOf(start));
      expect(failed.batch).toMatchObject({ Resolution: 'superseded', ResolvedByLogID: LogID });
      expect(failed.events.at(-1)).toMatchObject({ Message: `superseded by batch ${LogID}` });
      expect(failed.alerts.filter(({ ResolvedAt }) => ResolvedAt === null)).toEqual([]);
      const [seal] = await audit.store.transaction((tx) => tx.findSeals([failed.batch.LogID]));
      expect(seal!.Root).toBe(rootOf(sealable(failed)!, seal!));
    }
    expect((await batchOf(refOf(failures[1]!))).RetryStatus).toBe('recovered');
    expect((await batchOf(refOf(failures[2]!))).Resolution).toBe('dismissed');
    for (const start of others) expect((await batchOf(refOf(start))).Resolution).toBe('open');
  });

  it('repairs a failed batch, and its failed replays, by the replay that succeeds', async () => {
    const first = runStart();
    const second = runStart({ replayedRunID: first.RunID });
    const third = runStart({ replayedRunID: second.RunID });
    const refs = [];
    for (const [start, end] of [[first, FAILURE], [second, FAILURE], [third]] as const) {
      refs.push(await open(audit.store, start));
      await settle(audit.store, [runHistory(start, end)]);
    }
    for (const ref of refs.slice(0, 2)) {
      const { batch, events, alerts } = await read(audit.store, ref);
      expect(batch).toMatchObject({
        ...{ Status: 'Error', Resolution: 'replayed', ResolvedByLogID: refs[2]!.LogID },
      });
      expect(events.at(-1)).toMatchObject({ Message: `replayed by batch ${refs[2]!.LogID}` });
      expect(alerts.filter(({ ResolvedAt }) => ResolvedAt === null)).toEqual([]);
    }
    expect((await read(audit.store, refs[2]!)).batch).toMatchObject({
      ...{ ReplayOfLogID: refs[1]!.LogID, Resolution: null },
    });
  });

  it('repairs the failed children of a batch with it, whichever is closed first', async () => {
    const parent = runStart();
    const child = runStart({ parentRunID: parent.RunID });
    const grandchild = runStart({ parentRunID: child.RunID });
    const retried = runStart({ parentRunID: parent.RunID });
    const late = runStart({ parentRunID: parent.RunID });
    const dismissed = runStart({ parentRunID: parent.RunID });
    const again = runStart({ replayedRunID: parent.RunID, StartTime: '2026-03-29T02:00:00.000Z' });
    const newChild = runStart({ parentRunID: again.RunID, StartTime: '2026-03-29T02:01:00.000Z' });
    const starts = [parent, child, grandchild, retried, late, dismissed, again, newChild];
    const refs = await openAll(audit.store, starts);
    const refOf = (start: RunStart): BatchRef => refs[starts.indexOf(start)]!;
    await settle(audit.store, [
      ...[parent, child, grandchild, dismissed, newChild].map((start) => runHistory(start, FAILURE)),
      runHistory(retried, { ...FAILURE, willRetry: true }),
    ]);
    await inLedger(audit.store, (ledger) =>
      dismissBatch(ledger, { logID: refOf(dismissed).LogID, reason: 'known', by: 'Ada' }),
    );
    await settle(audit.store, [runHistory(again)]);
    await settle(audit.store, [runHistory(late, FAILURE)]);
    const ResolvedByLogID = refOf(again).LogID;
    for (const start of [parent, child, grandchild, late]) {
      expect(await batchOf(refOf(start))).toMatchObject({ Resolution: 'replayed', ResolvedByLogID });
    }
    expect(await batchOf(refOf(retried))).toMatchObject({
      ...{ Resolution: 'superseded', ResolvedByLogID, RetryStatus: 'recovered' },
    });
    expect((await batchOf(refOf(dismissed))).Resolution).toBe('dismissed');
    // The replay went on all the same; nobody has done it again.
    expect((await batchOf(refOf(newChild))).Resolution).toBe('open');
  });

  it('repairs those children by a reset whose work it does again', async () => {
    const first = runStart();
    const at = (minute: number): RunStart =>
      runStart({ parentRunID: first.RunID, StartTime: `2026-03-29T01:0${minute}:00.000Z` });
    const [keptChild, redoneChild, newChild] = [at(1), at(3), at(6)];
    const ref = await open(audit.store, first);
    const refs = await openAll(audit.store, [keptChild, redoneChild, newChild]);
    await settle(
      audit.store,
      [first, keptChild, redoneChild, newChild].map((start) => runHistory(start, FAILURE)),
    );
    const redone = [{ from: '2026-03-29T01:02:00.000Z', to: '2026-03-29T01:05:00.000Z' }];
    await settle(audit.store, [{ ...runHistory(resetOf(first)), redone }]);
    const resolutions = await Promise.all(refs.map(async (one) => (await batchOf(one)).Resolution));
    expect(resolutions).toEqual(['open', 'replayed', 'open']);
    expect((await batchOf(refs[1]!)).ResolvedByLogID).toBe(ref.LogID);
  });

  it('leaves a dismissed batch to the person who dismissed it, and dismisses only what is open', async () => {
    const failed = runStart();
    const ref = await open(audit.store, failed);
    const dismissal = { logID: ref.LogID, reason: 'the file was empty', by: 'Ada' };
    const dismiss = () => inLedger(audit.store, (ledger) => dismissBatch(ledger, dismissal), NOW);
    await expect(dismiss()).rejects.toThrow(`Batch ${ref.LogID} is not open: it is Running`);
    await settle(audit.store, [runHistory(failed, FAILURE)]);
    await dismiss();
    await expect(dismiss()).rejects.toThrow('it is dismissed already');

    const again = runStart({ replayedRunID: failed.RunID });
    await open(audit.store, again);
    await settle(audit.store, [runHistory(again)]);
    const { batch, events, alerts } = await read(audit.store, ref);
    expect(batch).toMatchObject({ Resolution: 'dismissed', ResolvedByLogID: null });
    expect(events.map(({ Message }) => Message)).toContain('dismissed by Ada: the file was empty');
    expect(alerts.every(({ ResolvedAt }) => ResolvedAt !== null)).toBe(true);
  });

  it('repairs the failed replays of what it repairs, whichever is closed first', async () => {
    const parent = runStart();
    const child = runStart({ parentRunID: parent.RunID });
    const childAgain = runStart({ replayedRunID: child.RunID });
    const childOnceMore = runStart({ replayedRunID: childAgain.RunID });
    const late = runStart({ replayedRunID: childOnceMore.RunID });
    const again = runStart({ replayedRunID: parent.RunID, StartTime: '2026-03-29T02:00:00.000Z' });
    const starts = [parent, child, childAgain, childOnceMore, late, again];
    const refs = await openAll(audit.store, starts);
    await settle(
      audit.store,
      starts.slice(0, 4).map((start) => runHistory(start, FAILURE)),
    );
    await settle(audit.store, [runHistory(again)]);
    await settle(audit.store, [runHistory(late, FAILURE)]);
    for (const ref of refs.slice(0, 5)) {
      expect(await batchOf(ref)).toMatchObject({
        ...{ Resolution: 'replayed', ResolvedByLogID: refs[5]!.LogID },
      });
    }
  });

  it('repairs also what a success repairs whose history was erased before it was read', async () => {
    const failed = runStart();
    const again = runStart({ replayedRunID: failed.RunID });
    const [ref, againRef] = await openAll(audit.store, [failed, again]);
    await settle(audit.store, [runHistory(failed, FAILURE)]);
    const end = { ...againRef!, Status: 'Success', EndTime: NOW } as const;
    await inLedger(audit.store, (ledger) => closeRuns(ledger, [end]));
    expect((await batchOf(ref!)).Resolution).toBe('open');
    await inLedger(audit.store, (ledger) => closeErased(ledger, again.RunID));
    expect(await batchOf(ref!)).toMatchObject({
      ...{ Resolution: 'replayed', ResolvedByLogID: againRef!.LogID },
    });
  });

  /** Two that are closed in the same moment, and what becomes of the one that fails when the other one repairs it. */
  interface Pair {
    readonly name: string;
    readonly failure: RunHistory;
    readonly success: RunHistory;
    /** What was closed before. */
    readonly before?: readonly RunHistory[];
    /** Not yet opened, as when no worker saw them. */
    readonly isUnseen?: boolean;
    readonly resolution: 'superseded' | 'replayed';
  }

  const LATER = '2026-03-29T02:00:00.000Z';

  function pairs(): Pair[] {
    const scheduled = (ScheduleID: string, StartTime: string): RunStart =>
      runStart({ ScheduleID, ScheduledTime: '2026-03-29T01:00:00.000Z', StartTime });
    const ofSchedule = (name: string, more: Partial<Pair> = {}): Pair => {
      const schedule = unique('schedule');
      return {
        ...{ name, resolution: 'superseded', ...more },
        failure: runHistory(scheduled(schedule, '2026-03-29T01:00:00.000Z'), FAILURE),
        success: runHistory(scheduled(schedule, LATER)),
      };
    };
    const parent = runStart();
    const replayedParent = runStart();
    const child = runStart({ parentRunID: replayedParent.RunID });
    const first = runStart();
    return [
      ofSchedule('a run of a Schedule, and a later one for the same time'),
      ofSchedule('the same, which no worker saw', { isUnseen: true }),
      {
        ...{ name: "a child, and its parent's replay", resolution: 'replayed' },
        failure: runHistory(runStart({ parentRunID: parent.RunID }), FAILURE),
        success: runHistory(runStart({ replayedRunID: parent.RunID, StartTime: LATER })),
        before: [runHistory(parent, FAILURE)],
      },
      {
        ...{ name: "a child's replay, and its parent's replay", resolution: 'replayed' },
        failure: runHistory(runStart({ replayedRunID: child.RunID }), FAILURE),
        success: runHistory(runStart({ replayedRunID: replayedParent.RunID, StartTime: LATER })),
        before: [runHistory(replayedParent, FAILURE), runHistory(child, FAILURE)],
      },
      {
        ...{ name: 'a try, and the next one', resolution: 'superseded' },
        failure: runHistory(first, { ...FAILURE, willRetry: true }),
        success: runHistory(runStart({ previousRunID: first.RunID })),
      },
    ];
  }

  async function prepare(all: readonly Pair[]): Promise<void> {
    await settle(
      audit.store,
      all.flatMap(({ before = [] }) => before),
    );
    const seen = all.filter(({ isUnseen }) => !isUnseen);
    await openAll(
      audit.store,
      seen.flatMap(({ failure, success }) => [failure.start, success.start]),
    );
  }

  async function resolutionOf({ failure, success }: Pair): Promise<unknown> {
    const [failed, repairer] = await openAll(audit.store, [failure.start, success.start]);
    const { Resolution, ResolvedByLogID } = await batchOf(failed!);
    return ResolvedByLogID === repairer!.LogID ? Resolution : { Resolution, ResolvedByLogID };
  }

  it('finds what fails at the moment when another connection closes what repairs it', async () => {
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const all = pairs();
    await prepare(all);
    const failures = all.map(({ failure }) => failure);
    const successes = all.map(({ success }) => success);
    await Promise.all([settle(one, failures), settle(other, successes)]);
    const wrong: unknown[] = [];
    for (const pair of all) {
      const resolution = await resolutionOf(pair);
      if (resolution !== pair.resolution) wrong.push([pair.name, resolution]);
    }
    expect(wrong).toEqual([]);
  });

  for (const isFailureFirst of [true, false]) {
    const order = isFailureFirst ? 'the failure' : 'the success';
    ifAble('seeWaiting', `finds it, too, when ${order} has looked and is not committed yet`, async () => {
      const [one, other] = await Promise.all([audit.another(), audit.another()]);
      const wrong: unknown[] = [];
      for (const pair of pairs()) {
        await prepare([pair]);
        const { failure, success } = pair;
        const [first, second] = isFailureFirst ? [failure, success] : [success, failure];
        let closing: Promise<unknown> | undefined;
        let isOver = false;
        await inLedger(one, async (ledger) => {
          await settleRuns(ledger, [first]);
          closing ??= settle(other, [second]).finally(() => (isOver = true));
          await vi.waitUntil(async () => isOver || (await audit.place.isWaiting!()), { timeout: 20_000 });
        });
        await closing;
        const resolution = await resolutionOf(pair);
        if (resolution !== pair.resolution) wrong.push([pair.name, resolution]);
      }
      expect(wrong).toEqual([]);
    });
  }
});
