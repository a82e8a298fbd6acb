import { expect, it } from 'vitest';
import { closeRuns } from '../../src/audit/ledger/closeRuns.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { findBatchRefs } from '../../src/audit/ledger/openRuns.js';
import type { RunStart } from '../../src/domain/model.js';
import type { UncertifiedRun } from '../../src/engines/contract.js';
import { everyEngine, unique } from './engines.js';
import {
  NOW,
  event,
  noteTaskFailure,
  open,
  openAll,
  read,
  record,
  runHistory,
  runStart,
  settle,
} from './rows.js';

everyEngine('opening', ({ audit, ifAble }) => {
  const opened = async (start: RunStart) => (await read(audit.store, await open(audit.store, start))).batch;

  it('gives one LogID when eight connections open the same run at once', async () => {
    const start = runStart();
    const eight = await Promise.all(Array.from({ length: 8 }, () => audit.another()));
    const refs = await Promise.all(eight.map((store) => open(store, start)));
    expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(1);
    const rows = await audit.place.run(
      `SELECT LogID FROM ${audit.place.table('PipelineLog')} WHERE OriginalRunID = '${start.RunID}'`,
    );
    expect(rows).toHaveLength(1);
  });

  it('gives each run one LogID when connections open the same many runs in opposite orders', async () => {
    const starts = Array.from({ length: 20 }, () => runStart());
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const [refs, reversed] = await Promise.all([openAll(one, starts), openAll(other, starts.toReversed())]);
    expect(reversed.toReversed()).toEqual(refs);
    expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(20);
  });

  it('lets calls of one connection overlap', async () => {
    const starts = Array.from({ length: 5 }, () => runStart());
    const refs = await Promise.all([...starts, ...starts].map((start) => open(audit.store, start)));
    expect(refs.slice(5)).toEqual(refs.slice(0, 5));
    expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(5);
  });

  it('answers many opens in their order, a run that is named twice with one LogID', async () => {
    const [a, b, c] = [runStart(), runStart(), runStart()];
    const known = await open(audit.store, b);
    const refs = await openAll(audit.store, [c, a, b, c]);
    expect(refs.map(({ RunID }) => RunID)).toEqual([c, a, b, c].map(({ RunID }) => RunID));
    expect(refs[2]).toEqual(known);
    expect(refs[3]).toEqual(refs[0]);
  });

  it('gives rising LogIDs, and never one twice, also when batches were deleted', async () => {
    const first = await open(audit.store, runStart());
    const second = await open(audit.store, runStart());
    expect(second.LogID).toBeGreaterThan(first.LogID);
    for (const table of ['PipelineRun', 'PipelineLog']) {
      await audit.place.run(`DELETE FROM ${audit.place.table(table)} WHERE LogID = ${second.LogID}`);
    }
    expect((await open(audit.store, runStart())).LogID).toBeGreaterThan(second.LogID);
  });

  it('keeps all that is known at the start, and leaves the rest empty', async () => {
    const previous = runStart();
    await open(audit.store, previous);
    const facts = {
      Namespace: unique('namespace'),
      PipelineName: `Pipeline 'Größe' 漢字 😀 "x"`,
      WorkflowType: 'load',
      TaskQueue: 'etl',
      StartTime: '2024-02-29T23:59:59.001Z',
      ScheduleID: 'nightly',
      ScheduledTime: '2024-02-29T23:00:00.000Z',
      RunByUser: 'somebody@host',
    };
    const start = runStart(facts);
    expect(await opened(start)).toEqual({
      ...facts,
      LogID: expect.any(Number) as number,
      WorkflowID: start.WorkflowID,
      RunID: start.RunID,
      OriginalRunID: start.RunID,
      Status: 'Running',
      EndTime: null,
      ErrorMessage: null,
      RowsProcessed: null,
      RowsRejected: null,
      RecordCountBefore: null,
      RecordCountAfter: null,
      SourceSystem: null,
      TargetSystem: null,
      DurationMs: null,
      RetryCount: 0,
      RetryStatus: null,
      AlertTriggered: false,
      CustomMessage: null,
      InputDigest: null,
      PreviousLogID: null,
      ParentLogID: null,
      ReplayOfLogID: null,
      Resolution: null,
      ResolvedByLogID: null,
    });
  });

  it('keeps workflow ids of 1000 characters, and tells apart those that end differently', async () => {
    const long = '漢'.repeat(999);
    const [one, other] = [`${long}a`, `${long}b`].map((WorkflowID) => runStart({ WorkflowID }));
    expect((await opened(one!)).WorkflowID).toBe(`${long}a`);
    expect((await opened(other!)).WorkflowID).toBe(`${long}b`);
  });

  it('tells apart runs, namespaces and workflow ids that differ only by case or by trailing blanks', async () => {
    const RunID = unique('run');
    const runs = [RunID, RunID.toUpperCase(), `${RunID} `].map((it) => runStart({ RunID: it }));
    const Namespace = unique('namespace');
    const OriginalRunID = unique('shared');
    const namespaces = [Namespace, Namespace.toUpperCase(), `${Namespace} `].map((it) =>
      runStart({ Namespace: it, OriginalRunID, WorkflowID: `w ${it}` }),
    );
    const refs = await openAll(audit.store, [...runs, ...namespaces]);
    expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(6);
    const again = await openAll(audit.store, [...namespaces, ...runs]);
    expect([...again.slice(3), ...again.slice(0, 3)]).toEqual(refs);
    for (const [index, { RunID, WorkflowID }] of runs.entries()) {
      const { batch } = await read(audit.store, refs[index]!);
      expect([batch.RunID, batch.WorkflowID]).toEqual([RunID, WorkflowID]);
    }
  });

  it('links a run to its parent and to the run before it, and to nothing where these are unknown', async () => {
    const [parent, previous] = [runStart(), runStart()];
    const [parentRef, previousRef] = await openAll(audit.store, [parent, previous]);
    const child = await opened(runStart({ parentRunID: parent.RunID, previousRunID: previous.RunID }));
    expect([child.ParentLogID, child.PreviousLogID]).toEqual([parentRef!.LogID, previousRef!.LogID]);
    const orphan = await opened(runStart({ parentRunID: unique('nobody'), previousRunID: unique('nobody') }));
    expect([orphan.ParentLogID, orphan.PreviousLogID]).toEqual([null, null]);
  });

  it('links runs that are opened in one group, whichever comes first', async () => {
    const parent = runStart();
    const child = runStart({ parentRunID: parent.RunID });
    const next = runStart({ parentRunID: parent.RunID, previousRunID: child.RunID });
    const [nextRef, childRef, parentRef] = await openAll(audit.store, [next, child, parent]);
    const { batch } = await read(audit.store, nextRef!);
    expect([batch.ParentLogID, batch.PreviousLogID]).toEqual([parentRef!.LogID, childRef!.LogID]);
  });

  it('finds the batches that continue a batch', async () => {
    const first = runStart();
    const ref = await open(audit.store, first);
    const successors = await openAll(
      audit.store,
      [1, 2].map(() => runStart({ previousRunID: first.RunID })),
    );
    const found = await audit.store.transaction((tx) => tx.findSuccessors([ref.LogID]));
    expect(found.map(({ LogID }) => LogID).sort()).toEqual(successors.map(({ LogID }) => LogID).sort());
    expect(await audit.store.transaction((tx) => tx.findSuccessors([successors[0]!.LogID]))).toEqual([]);
  });

  it('continues the batch of a reset run, whichever of its runs comes first', async () => {
    const first = runStart();
    const second = runStart({ OriginalRunID: first.RunID, WorkflowID: first.WorkflowID });
    const ref = await open(audit.store, second);
    expect((await open(audit.store, first)).LogID).toBe(ref.LogID);
    const { batch, runs } = await read(audit.store, ref);
    expect(batch.RunID).toBe(second.RunID);
    expect(runs.map(({ RunID, Reason }) => [RunID, Reason]).sort()).toEqual(
      [
        [first.RunID, 'start'],
        [second.RunID, 'reset'],
      ].sort(),
    );
  });

  it('shows the last of two resets, also when a worker sees that one first', async () => {
    const first = runStart();
    const resetAt = (RunStartTime: string): RunStart =>
      runStart({ OriginalRunID: first.RunID, WorkflowID: first.WorkflowID, RunStartTime });
    const between = resetAt('2026-03-29T01:00:00.000Z');
    const last = resetAt('2026-03-29T01:00:00.060Z');
    const ref = await open(audit.store, first);
    await open(audit.store, last);
    await open(audit.store, between);
    const { batch, runs } = await read(audit.store, ref);
    expect([batch.RunID, batch.Status]).toEqual([last.RunID, 'Running']);
    expect(runs.map(({ RunID, StartTime }) => [RunID, StartTime])).toEqual(
      [first, between, last].map(({ RunID, RunStartTime }) => [RunID, RunStartTime]),
    );
  });

  it('gives a base run and its reset one batch when they are opened together', async () => {
    const first = runStart();
    const second = runStart({ OriginalRunID: first.RunID, WorkflowID: first.WorkflowID });
    const refs = await openAll(audit.store, [second, first]);
    expect(refs[0]!.LogID).toBe(refs[1]!.LogID);
    expect((await read(audit.store, refs[0]!)).runs).toHaveLength(2);
  });

  it('shows why a run does not move, until it is opened again', async () => {
    const start = runStart();
    const ref = await open(audit.store, start);
    await noteTaskFailure(audit.store, start, "it's broken");
    expect((await read(audit.store, ref)).batch.ErrorMessage).toBe("it's broken");
    await open(audit.store, start);
    expect((await read(audit.store, ref)).batch.ErrorMessage).toBeNull();
  });

  it('makes the batch of a run that nobody opened before its task failed', async () => {
    const start = runStart();
    await noteTaskFailure(audit.store, start, 'TypeError: x is undefined');
    const [ref] = await inLedger(audit.store, (ledger) => findBatchRefs(ledger, [start]));
    const { batch } = await read(audit.store, ref!);
    expect(batch).toMatchObject({ Status: 'Running', ErrorMessage: 'TypeError: x is undefined' });
  });

  it('shows nothing of that on a run that was closed meanwhile', async () => {
    const start = runStart();
    const ref = await open(audit.store, start);
    await settle(audit.store, [runHistory(start)]);
    await noteTaskFailure(audit.store, start, 'TypeError: x is undefined');
    expect((await read(audit.store, ref)).batch).toMatchObject({ Status: 'Success', ErrorMessage: null });
  });

  it('finds the batch of a run that another connection opened, and nothing for others', async () => {
    const ref = await open(await audit.another(), runStart());
    const unknown = runStart({ RunID: unique('nobody') });
    const found = await inLedger(audit.store, (ledger) => findBatchRefs(ledger, [unknown, ref, unknown]));
    expect(found).toEqual([undefined, ref, undefined]);
  });

  it('lists the runs of workflows of one namespace that are not certified yet, oldest first', async () => {
    const Namespace = unique('namespace');
    const [running, ended, certified] = [1, 2, 3].map(() => runStart({ Namespace }));
    const standalone = runStart({ Namespace, WorkflowType: null });
    const elsewhere = runStart({ Namespace: unique('namespace') });
    const refs = await openAll(audit.store, [running!, ended!, certified!, standalone, elsewhere]);
    const EndTime = '2026-03-29T01:10:00.000Z';
    await inLedger(audit.store, (ledger) => closeRuns(ledger, [{ ...refs[1]!, Status: 'Success', EndTime }]));
    await settle(audit.store, [runHistory(certified!)]);
    const [goOn, due] = await Promise.all(
      [false, true].map((isEnded) =>
        audit.store.uncertifiedRuns({ namespace: Namespace, ended: isEnded, limit: 10 }),
      ),
    );
    const expected = [running!, ended!].map(({ RunID, WorkflowID, StartTime }, index) => ({
      ...{ RunID, WorkflowID, LogID: refs[index]!.LogID, StartTime },
      ...(index === 0 ? { Status: 'Running', EndTime: null } : { Status: 'Success', EndTime }),
    }));
    expect([goOn, due]).toEqual(expected.map((run) => [run]));
    expect(await audit.store.countOpenRuns(Namespace)).toBe(1);
  });

  it('lists them page by page, a batch that has two of them, too', async () => {
    const Namespace = unique('namespace');
    const first = runStart({ Namespace });
    const reset = runStart({ Namespace, OriginalRunID: first.RunID, WorkflowID: first.WorkflowID });
    const others = [1, 2, 3].map(() => runStart({ Namespace }));
    for (const start of [first, reset, ...others]) await open(audit.store, start);
    const pages: UncertifiedRun[][] = [];
    let after: UncertifiedRun | undefined;
    do {
      pages.push(await audit.store.uncertifiedRuns({ namespace: Namespace, ended: false, after, limit: 2 }));
      after = pages.at(-1)!.at(-1);
    } while (after);
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1, 0]);
    const seen = pages.flat();
    expect(seen.map(({ RunID }) => RunID).sort()).toEqual(
      [first, reset, ...others].map(({ RunID }) => RunID).sort(),
    );
    expect(seen.map(({ LogID }) => LogID)).toEqual(seen.map(({ LogID }) => LogID).sort((a, b) => a - b));
    expect(await audit.store.countOpenRuns(Namespace)).toBe(5);
  });

  it('does nothing when it is asked for nothing', async () => {
    const nothing = await audit.store.transaction(async (tx) => {
      await tx.insertRuns([]);
      await tx.putEvents([]);
      await tx.confirmEvents([]);
      await tx.insertAlerts([]);
      await tx.updateRuns([]);
      await tx.updateBatches([]);
      await tx.resolveAlerts([], NOW);
      return [
        await tx.openBatches([]),
        await tx.findRuns([]),
        await tx.findBatches([]),
        await tx.lockBatches([]),
        await tx.readBatches([]),
        await tx.findSuccessors([]),
        await tx.findScheduled([]),
        await tx.findOpenDependents([]),
        await tx.findAlerts([]),
        await tx.findEvents([]),
        await tx.addEvents([]),
      ];
    });
    expect(nothing).toEqual([[], [], [], [], [], [], [], [], [], [], { existing: [], closedRuns: [] }]);
  });

  ifAble(
    'duplicateBatch',
    'repairs a batch that two writers opened twice: the lower LogID wins',
    async () => {
      const start = runStart();
      const ref = await open(audit.store, start);
      await record(audit.store, [event(ref, { EventType: 'start' })]);
      // What the missing unique key lets happen: the same batch and run once more, and a worker that knows only these.
      const { place } = audit;
      const copy = async (table: string, columns: string, values = columns): Promise<void> => {
        await place.run(
          `INSERT INTO ${place.table(table)} (${columns})
         SELECT ${values} FROM ${place.table(table)} WHERE LogID = ${ref.LogID}`,
        );
      };
      await copy(
        'PipelineLog',
        'PipelineName, StartTime, Status, Namespace, WorkflowID, RunID, OriginalRunID, WorkflowType, RetryCount, AlertTriggered',
      );
      const rows = await place.run(
        `SELECT MAX(LogID) AS twin FROM ${place.table('PipelineLog')} WHERE OriginalRunID = '${start.RunID}'`,
      );
      const twin = Number(rows[0]!['twin']);
      expect(twin).toBeGreaterThan(ref.LogID);
      await copy(
        'PipelineRun',
        'RunID, LogID, Reason, StartTime, Status',
        `RunID, ${twin}, Reason, StartTime, Status`,
      );
      await record(audit.store, [event({ ...ref, LogID: twin }, { RowsProcessed: 7 })]);

      expect((await open(await audit.another(), start)).LogID).toBe(ref.LogID);
      await settle(audit.store, [runHistory(start, {}, [{}])]);
      const reader = await audit.reader();
      const shown = await reader.batches({ text: start.WorkflowID });
      expect(shown.map(({ LogID, Status, RowsProcessed }) => [LogID, Status, RowsProcessed])).toEqual([
        [ref.LogID, 'Success', 7],
      ]);
      const { runs, events } = (await reader.batch(ref.LogID))!;
      expect([runs.length, events.map(({ EventType }) => EventType)]).toEqual([1, ['start', 'success']]);
    },
  );
});
