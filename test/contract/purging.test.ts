import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { findAltered } from '../../src/audit/findAltered.js';
import { dismissBatch } from '../../src/audit/ledger/dismissBatch.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { purgeBatches } from '../../src/audit/ledger/purgeBatches.js';
import type { SealedBatch } from '../../src/audit/ledger/purgeBatches.js';
import { oldBatches, purge as purgeOld } from '../../src/audit/purge.js';
import { verifyPurged } from '../../src/audit/verifyPurged.js';
import type { BatchRef, RunStart } from '../../src/domain/model.js';
import type { PurgeCursor } from '../../src/domain/purge.js';
import { PURGE_WORKFLOW } from '../../src/domain/purge.js';
import type { AuditReader, AuditStore } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';
import { everyEngine } from './engines.js';
import { event, open, openAll, record, runHistory, runStart, settle } from './rows.js';

const never = new AbortController().signal;
const BEFORE = '2026-04-01T00:00:00.000Z';

everyEngine('purging', ({ audit }) => {
  /** A batch that is over and certified, with two events. */
  const finished = async (given: Partial<RunStart> = {}, status: 'Success' | 'Error' = 'Success') => {
    const start = runStart(given);
    const ref = await open(audit.store, start);
    await record(audit.store, [
      event(ref, { EventID: randomUUID(), EventType: 'start' }),
      event(ref, { EventID: randomUUID(), EventType: 'success' }),
    ]);
    const error = status === 'Error' ? { type: 'Error', message: 'disk full' } : undefined;
    await settle(audit.store, [runHistory(start, { status, error })]);
    return { ...ref, start };
  };

  const sealedBatches = async (reader: AuditReader, logIDs: readonly number[]): Promise<SealedBatch[]> => {
    const records = await reader.records(logIDs);
    const seals = await reader.latestSeals(logIDs);
    return records.map((found) => {
      const seal = seals.find(({ LogID }) => LogID === found.batch.LogID)!;
      expect(findAltered(found, seal)).toEqual([]);
      return { record: found, seal };
    });
  };

  const purge = async (logIDs: readonly number[], by: number, store: AuditStore = audit.store) => {
    const sealed = await sealedBatches(await audit.reader(), logIDs);
    return inLedger(store, (ledger) => purgeBatches(ledger, by, sealed));
  };

  const running = (): Promise<BatchRef> =>
    open(audit.store, runStart({ WorkflowType: PURGE_WORKFLOW }), new Date().toISOString());

  it('lists what is old, over, certified and not open, the oldest first, in pages', async () => {
    const own = await audit.newPlace();
    const store = await audit.open(own);
    await store.migrate();
    const starts = ['03', '01', '02', '04', '05', '06'].map((day) =>
      runStart({ StartTime: `2026-03-${day}T00:00:00.000Z`, PipelineName: `of ${day}` }),
    );
    const [third, first, second, failed, unread, late] = starts as [RunStart, ...RunStart[]];
    const refs = await openAll(store, starts);
    await record(store, [event(refs[0]!, { EventID: randomUUID() })]);
    await settle(store, [
      ...[third, first, second].map((start) => runHistory(start!, { time: '2026-03-29T01:10:00.000Z' })),
      runHistory(failed!, { status: 'Error', error: { type: 'Error', message: 'disk full' } }),
      runHistory(late!, { time: '2026-04-02T00:00:00.000Z' }),
    ]);
    // Shown as over by a busy worker, and its history not read.
    const [going] = await store.transaction((tx) => tx.findRuns([unread!.RunID]));
    await store.transaction((tx) =>
      tx.updateRuns([{ ...going!, Status: 'Success', EndTime: '2026-03-29T01:10:00.000Z' }]),
    );
    await store.transaction(async (tx) => {
      const [batch] = await tx.lockBatches([going!.LogID]);
      await tx.updateBatches([{ ...batch!, Status: 'Success', EndTime: '2026-03-29T01:10:00.000Z' }]);
    });
    const { openAuditReader } = await engineFor(own.url, 'url');
    const reader = await openAuditReader({ url: own.url, schema: own.schema });
    const names = (batches: ReadonlyArray<{ PipelineName: string }>) =>
      batches.map((one) => one.PipelineName);
    const all = await reader.oldBatches({ before: BEFORE, limit: 10 });
    expect(names(all)).toEqual(['of 01', 'of 02', 'of 03']);
    expect(all.map(({ Events }) => Events)).toEqual([0, 0, 1]);
    const page = await reader.oldBatches({ before: BEFORE, limit: 2 });
    expect(page).toEqual(all.slice(0, 2));
    expect(await reader.oldBatches({ before: BEFORE, after: page[1], limit: 2 })).toEqual(all.slice(2));
    expect(await reader.oldBatches({ before: '2026-03-01T00:00:00.000Z', limit: 10 })).toEqual([]);
    // Repaired, it is open no more; whether it stays, the caller says.
    await store.transaction(async (tx) => {
      const [batch] = await tx.lockBatches([refs[3]!.LogID]);
      await tx.updateBatches([{ ...batch!, Resolution: 'dismissed' }]);
    });
    expect(names(await reader.oldBatches({ before: BEFORE, limit: 10 }))).toContain('of 04');
    expect(names(await reader.oldBatches({ before: BEFORE, keepFailed: true, limit: 10 }))).not.toContain(
      'of 04',
    );
    await reader.close();
  });

  it('removes batches with all that they have but their seals, and leaves tombstones that verify', async () => {
    const [one, two, stays] = [await finished(), await finished(), await finished()];
    const by = await running();
    expect(await purge([one.LogID, two.LogID], by.LogID)).toBe(2);
    const reader = await audit.reader();
    expect(await reader.records([one.LogID, two.LogID, stays.LogID])).toMatchObject([
      { batch: { LogID: stays.LogID } },
    ]);
    expect((await reader.strays()).filter(({ LogID }) => LogID <= by.LogID)).toEqual([]);
    const seals = await reader.seals({ logID: one.LogID, limit: 10 });
    const tombstones = await reader.tombstones({ after: { LogID: one.LogID, RunID: '' }, limit: 1 });
    expect(tombstones).toEqual([
      {
        ...{ RunID: one.RunID, LogID: one.LogID, Root: seals.at(-2)!.Root },
        ...{ PurgedByLogID: by.LogID, PurgedAt: seals.at(-1)!.SealedAt },
      },
    ]);
    expect(await reader.purgedRuns([two.RunID, stays.RunID])).toMatchObject([{ LogID: two.LogID }]);
    expect(await reader.purgedRuns([])).toEqual([]);
    expect(await reader.countPurged(by.LogID)).toBe(2);
    expect((await verifyPurged(reader)).findings).toEqual([]);
  });

  it('leaves alone what was sealed anew since it was read, and what another purge was faster with', async () => {
    const [one, two] = [await finished(), await finished()];
    const by = await running();
    const sealed = await sealedBatches(await audit.reader(), [one.LogID, two.LogID]);
    await record(audit.store, [event(one, { EventID: randomUUID(), EventType: 'info' })]);
    const again = () => inLedger(audit.store, (ledger) => purgeBatches(ledger, by.LogID, sealed));
    expect(await again()).toBe(1);
    expect(await again()).toBe(0);
    const reader = await audit.reader();
    expect((await reader.records([one.LogID, two.LogID])).map(({ batch }) => batch.LogID)).toEqual([
      one.LogID,
    ]);
  });

  it('goes on where it has ended, and looks at what stays only once', async () => {
    const own = await audit.newPlace();
    const store = await audit.open(own);
    await store.migrate();
    const starts = Array.from({ length: 3 }, () => runStart());
    const [first, ...others] = await openAll(store, starts);
    await settle(
      store,
      starts.map((start) => runHistory(start)),
    );
    const table = own.table('PipelineLog');
    await own.run(`UPDATE ${table} SET RowsProcessed = 7 WHERE LogID = ${first!.LogID}`);
    const by = await open(store, runStart({ StartTime: BEFORE }));
    const { openAuditReader } = await engineFor(own.url, 'url');
    const reader = await openAuditReader({ url: own.url, schema: own.schema });
    // One batch at a time, and no time for more.
    const slow = {
      pace: { ...store.pace, removeRows: 1 },
      transaction: (work: Parameters<AuditStore['transaction']>[0]) => store.transaction(work),
    } as unknown as AuditStore;
    const ends: Array<number | undefined> = [];
    const altered: string[] = [];
    let after: PurgeCursor | undefined;
    do {
      const options = { before: BEFORE, after, until: 0, signal: never, onProgress: () => undefined };
      const step = await purgeOld(reader, slow, by.LogID, options);
      after = step.after;
      ends.push(after?.LogID);
      altered.push(...step.altered);
    } while (after);
    expect(ends).toEqual([first!.LogID, ...others.map(({ LogID }) => LogID), undefined]);
    expect(altered).toHaveLength(1);
    expect(altered[0]).toMatch(new RegExp(`^batch ${first!.LogID} stays: its rows differ from seal`));
    expect(await reader.countPurged(by.LogID)).toBe(2);
    await reader.close();
  });

  it.each(['is reset', 'has a late event'])(
    'leaves alone a batch that %s after it was listed',
    async (what) => {
      const own = await audit.newPlace();
      const store = await audit.open(own);
      await store.migrate();
      const [start, other] = [runStart(), runStart()];
      const [ref] = await openAll(store, [start, other]);
      await settle(store, [runHistory(start), runHistory(other)]);
      const by = await open(store, runStart({ StartTime: BEFORE }));
      const { openAuditReader } = await engineFor(own.url, 'url');
      const reader = await openAuditReader({ url: own.url, schema: own.schema });
      const late = {
        batches: (filter: Parameters<AuditReader['batches']>[0]) => reader.batches(filter),
        oldBatches: async (filter: Parameters<AuditReader['oldBatches']>[0]) => {
          const page = await reader.oldBatches(filter);
          if (what === 'is reset') await open(store, { ...start, RunID: randomUUID() });
          else await record(store, [event(ref!, { EventID: randomUUID(), EventType: 'info' })]);
          return page;
        },
        latestSeals: (logIDs: readonly number[]) => reader.latestSeals(logIDs),
        records: (logIDs: readonly number[]) => reader.records(logIDs),
      } as AuditReader;
      const options = { before: BEFORE, after: undefined, until: Infinity, signal: never };
      const { altered } = await purgeOld(late, store, by.LogID, { ...options, onProgress: () => undefined });
      expect(altered).toEqual([]);
      expect(await reader.countPurged(by.LogID)).toBe(1);
      expect(await reader.records([ref!.LogID])).toHaveLength(1);
      await reader.close();
    },
  );

  it('keeps what a batch that is open, or may become so, is a replay of', async () => {
    const own = await audit.newPlace();
    const store = await audit.open(own);
    await store.migrate();
    const first = runStart();
    const failedReplay = runStart({ replayedRunID: first.RunID });
    const dismissed = runStart();
    const runningReplay = runStart({ replayedRunID: dismissed.RunID });
    const successful = runStart();
    const starts = [first, failedReplay, dismissed, runningReplay, successful];
    const refs = await openAll(store, starts);
    const error = { type: 'Error', message: 'disk full' };
    await settle(
      store,
      [first, failedReplay, dismissed].map((start) => runHistory(start, { status: 'Error', error })),
    );
    await settle(store, [runHistory(successful)]);
    for (const index of [0, 2]) {
      await inLedger(store, (ledger) =>
        dismissBatch(ledger, { logID: refs[index]!.LogID, reason: 'announced', by: 'ann' }),
      );
    }
    const { openAuditReader } = await engineFor(own.url, 'url');
    const reader = await openAuditReader({ url: own.url, schema: own.schema });
    const listed: number[] = [];
    for await (const page of oldBatches(reader, { before: BEFORE }, 10)) {
      listed.push(...page.map(({ LogID }) => LogID));
    }
    expect(listed).toEqual([refs[4]!.LogID]);
    await reader.close();
  });

  it('of a batch that is over purges nothing', async () => {
    const [one, by] = [await finished(), await finished()];
    await expect(purge([one.LogID], by.LogID)).rejects.toThrow(`Batch ${by.LogID} does not run any more`);
    expect(await (await audit.reader()).records([one.LogID])).toHaveLength(1);
  });

  it('is all or nothing', async () => {
    const one = await finished();
    const by = await running();
    const sealed = await sealedBatches(await audit.reader(), [one.LogID]);
    const failing = inLedger(audit.store, async (ledger) => {
      await purgeBatches(ledger, by.LogID, sealed);
      await ledger.tx.findRuns([one.RunID]);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    const reader = await audit.reader();
    expect(await reader.records([one.LogID])).toEqual([sealed[0]!.record]);
    expect(await reader.purgedRuns([one.RunID])).toEqual([]);
  });

  it('makes room for nobody: the run gets no batch again, and its late events are refused by name', async () => {
    const one = await finished();
    const by = await running();
    await purge([one.LogID], by.LogID);
    const gone = `Batch ${one.LogID} is no longer in the audit: it was purged`;
    await expect(open(audit.store, one.start)).rejects.toThrow(gone);
    await expect(settle(audit.store, [runHistory(one.start)])).rejects.toThrow(gone);
    await expect(record(audit.store, [event(one, { EventID: randomUUID() })])).rejects.toThrow(gone);
    expect(await (await audit.reader()).records([one.LogID])).toEqual([]);
  });

  it('lets a reset of a purged run have a batch of its own, and knows the runs of one that was reset before', async () => {
    const one = await finished();
    const before = { ...one.start, RunID: randomUUID() };
    await open(audit.store, before);
    await settle(audit.store, [runHistory(before)]);
    const by = await running();
    await purge([one.LogID], by.LogID);
    await expect(open(audit.store, before)).rejects.toThrow('it was purged');
    const after = { ...one.start, RunID: randomUUID() };
    const [fresh, again] = [await open(audit.store, after), await open(audit.store, after)];
    expect(fresh.LogID).toBeGreaterThan(by.LogID);
    expect(again).toEqual(fresh);
    expect((await verifyPurged(await audit.reader())).findings).toEqual([]);
  });

  it('leaves the links of others to what is gone as they were, and those can still be closed', async () => {
    const failed = await finished({}, 'Error');
    await audit.store.transaction(async (tx) => {
      const [batch] = await tx.lockBatches([failed.LogID]);
      await tx.updateBatches([{ ...batch!, Resolution: 'dismissed' }]);
    });
    const replay = runStart({ replayedRunID: failed.RunID });
    const { LogID } = await open(audit.store, replay);
    const by = await running();
    await inLedger(audit.store, async (ledger) => {
      const [found] = await ledger.tx.readBatches([failed.LogID]);
      const [seal] = await ledger.tx.findSeals([failed.LogID]);
      await purgeBatches(ledger, by.LogID, [{ record: found!, seal: seal! }]);
    });
    await settle(audit.store, [runHistory(replay)]);
    const [kept] = await (await audit.reader()).records([LogID]);
    expect(kept!.batch).toMatchObject({ Status: 'Success', ReplayOfLogID: failed.LogID });
  });

  it('by two at the same time, while others write, makes one chain of whole batches', async () => {
    const batches = [];
    for (let n = 0; n < 8; n++) batches.push(await finished());
    const by = await running();
    const logIDs = batches.map(({ LogID }) => LogID);
    const [first, second] = [await audit.another(), await audit.another()];
    const writing = Promise.all(Array.from({ length: 4 }, () => finished()));
    const counts = await Promise.all([purge(logIDs, by.LogID, first), purge(logIDs, by.LogID, second)]);
    await writing;
    expect(counts[0] + counts[1]).toBe(8);
    const reader = await audit.reader();
    expect(await reader.countPurged(by.LogID)).toBe(8);
    const found = await verifyPurged(reader);
    expect(found.findings).toEqual([]);
    const chain = await reader.seals({ limit: 1_000 });
    expect(chain.slice(1).map(({ PrevRoot }) => PrevRoot)).toEqual(
      chain.slice(0, -1).map(({ Root }) => Root),
    );
  });
});
