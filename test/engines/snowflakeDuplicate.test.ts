/** Snowflake enforces no key. If a batch is there twice all the same, the lower LogID wins, and gets what the other has. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { recordLive } from '../../src/audit/ledger/recordLive.js';
import type { BatchRecord, BatchRef, RunStart } from '../../src/domain/model.js';
import type { AuditReader, AuditStore, AuditTransaction } from '../../src/engines/contract.js';
import { Database } from '../../src/engines/snowflake/database.js';
import { engine } from '../../src/engines/snowflake/index.js';
import { Pace } from '../../src/engines/snowflake/pace.js';
import type { Row } from '../../src/engines/snowflake/session.js';
import { readUrl } from '../../src/engines/snowflake/url.js';
import { givenSnowflake } from './snowflakeEndpoint.js';
import { event, NOW, runStart } from '../support/rows.js';

const { endpoint, describeSnowflake } = await givenSnowflake();

describeSnowflake('a batch that is there twice', () => {
  let db: Database;
  let store: AuditStore;
  let reader: AuditReader;
  beforeAll(async () => {
    // How often a store asks is not what these cases are about.
    vi.spyOn(Pace.prototype, 'take').mockResolvedValue();
    store = await engine.openAuditStore({ url: endpoint.url });
    await store.migrate();
    db = await Database.open(readUrl(endpoint.url), { schema: 'AUDIT', sessions: 1 });
    reader = await engine.openAuditReader({ url: endpoint.url });
  });
  afterAll(() => Promise.all([store.close(), db.close(), reader.close()]));

  const run = async (text: string): Promise<Row[]> =>
    (await db.use((session) => session.run({ text }, { tag: '' }))).rows;
  const open = async (start: RunStart): Promise<BatchRef> =>
    (await inLedger(store, (ledger) => openRuns(ledger, [start]), NOW))[0]!;
  const shown = async ({ LogID }: Pick<BatchRef, 'LogID'>): Promise<BatchRecord> =>
    (await reader.batch(LogID))!;

  /** What two workers leave that opened the same run in the same moment: a second row, and an own idea of the LogID. */
  const openTwin = async (ref: BatchRef): Promise<BatchRef> => {
    const columns =
      'PipelineName, StartTime, Status, Namespace, WorkflowID, RunID, OriginalRunID, WorkflowType';
    await run(
      `INSERT INTO AUDIT.PipelineLog (${columns}) SELECT ${columns} FROM AUDIT.PipelineLog WHERE LogID = ${ref.LogID}`,
    );
    const [row] = await run(
      `SELECT MAX(LogID) AS "LogID" FROM AUDIT.PipelineLog WHERE OriginalRunID = (SELECT OriginalRunID FROM AUDIT.PipelineLog WHERE LogID = ${ref.LogID})`,
    );
    const twin = { ...ref, LogID: Number(row!['LogID']) };
    expect(twin.LogID).toBeGreaterThan(ref.LogID);
    return twin;
  };
  /** As a worker wrote it that had opened the twin. */
  const moveTo = (twin: BatchRef, ref: BatchRef): Promise<unknown> =>
    Promise.all(
      ['PipelineRun', 'PipelineEvent', 'Alert'].map((table) =>
        run(`UPDATE AUDIT.${table} SET LogID = ${twin.LogID} WHERE LogID = ${ref.LogID}`),
      ),
    );
  const failure = (ref: BatchRef, ActivityID: string) =>
    event(ref, { ActivityID, EventType: 'failure', RetryStatus: 'exhausted', ErrorMessage: 'disk full' });

  it('is one again when it is opened, with the runs, events and alerts of both', async () => {
    const start = runStart();
    const ref = await open(start);
    await inLedger(store, (ledger) => recordLive(ledger, [event(ref, { EventType: 'start' })]), NOW);
    const reset = runStart({ OriginalRunID: start.RunID, WorkflowID: start.WorkflowID });
    const twin = await openTwin(ref);
    // The reset was opened beside the first run.
    await run(
      `INSERT INTO AUDIT.PipelineRun (RunID, LogID, Reason, StartTime, Status)
       SELECT '${reset.RunID}', ${twin.LogID}, 'reset', StartTime, 'Running' FROM AUDIT.PipelineRun WHERE LogID = ${ref.LogID}`,
    );
    const child = await open(runStart({ previousRunID: reset.RunID }));
    await inLedger(
      store,
      (ledger) => recordLive(ledger, [failure({ ...twin, RunID: reset.RunID }, '2')]),
      NOW,
    );

    const another = runStart({ OriginalRunID: start.RunID, WorkflowID: start.WorkflowID });
    expect((await open(another)).LogID).toBe(ref.LogID);

    const { batch, runs, events, alerts } = await shown(ref);
    expect(runs.map(({ RunID }) => RunID).sort()).toEqual([start.RunID, reset.RunID, another.RunID].sort());
    expect(events.map(({ ActivityID, EventType }) => `${ActivityID} ${EventType}`)).toEqual([
      '1 start',
      '2 failure',
    ]);
    expect(alerts.map(({ Rule, EventID }) => [Rule, EventID])).toEqual([['step-failed', events[1]!.EventID]]);
    expect(batch.Status).toBe('Running');
    expect((await shown(child)).batch.PreviousLogID).toBe(ref.LogID);
    expect(await reader.batch(twin.LogID)).toBeUndefined();
  });

  it('is one again when it is read to be closed, and keeps how it had ended', async () => {
    const ref = await open(runStart());
    const twin = await openTwin(ref);
    await moveTo(twin, ref);
    await run(
      `UPDATE AUDIT.PipelineLog SET Status = 'Error', ErrorMessage = 'disk full', Resolution = 'open' WHERE LogID = ${twin.LogID}`,
    );
    const [record] = await store.transaction((tx) => tx.readBatches([ref.LogID]));
    expect(record!.batch).toMatchObject({ LogID: ref.LogID, Status: 'Error', ErrorMessage: 'disk full' });
    expect(record!.runs).toHaveLength(1);
    expect(await reader.batches({ text: record!.batch.WorkflowID! })).toHaveLength(1);
  });

  it('is one again when its run is there twice, too', async () => {
    const start = runStart();
    const ref = await open(start);
    const twin = await openTwin(ref);
    await run(
      `INSERT INTO AUDIT.PipelineRun (RunID, LogID, Reason, StartTime, Status)
       SELECT RunID, ${twin.LogID}, Reason, StartTime, Status FROM AUDIT.PipelineRun WHERE LogID = ${ref.LogID}`,
    );
    expect((await open(start)).LogID).toBe(ref.LogID);
    expect((await shown(ref)).runs).toHaveLength(1);
  });

  it('takes what a worker goes on to write that knows only the higher LogID', async () => {
    const start = runStart();
    const ref = await open(start);
    const twin = await openTwin(ref);
    await moveTo(twin, ref);
    await inLedger(store, (ledger) => recordLive(ledger, [event(twin, { EventType: 'start' })]), NOW);
    await store.transaction((tx) => tx.readBatches([ref.LogID]));
    expect((await open(start)).LogID).toBe(ref.LogID);

    const end = { ...failure(twin, '1'), Message: 'the disk' };
    await inLedger(store, (ledger) => recordLive(ledger, [event(twin, { EventType: 'start' }), end]), NOW);
    await inLedger(store, (ledger) => recordLive(ledger, [end]), NOW);

    const { batch, events, alerts } = await shown(ref);
    expect(events.map(({ EventType }) => EventType)).toEqual(['start', 'failure']);
    expect(alerts.map(({ EventID }) => EventID)).toEqual([end.EventID]);
    expect(batch).toMatchObject({
      CustomMessage: 'the disk',
      AlertTriggered: true,
      RetryStatus: 'exhausted',
    });
    const strays = await run(
      `SELECT LogID FROM AUDIT.PipelineEvent WHERE LogID = ${twin.LogID} UNION ALL SELECT LogID FROM AUDIT.Alert WHERE LogID = ${twin.LogID}`,
    );
    expect(strays).toEqual([]);
  });

  it('has the seals of both, and those of a worker that knows only the higher LogID', async () => {
    const ref = await open(runStart());
    const twin = await openTwin(ref);
    await moveTo(twin, ref);
    const seal = async (tx: AuditTransaction, LogID: number): Promise<number> => {
      const last = await tx.lastSeal();
      const SealNo = (last?.SealNo ?? 0) + 1;
      const Root = `root ${SealNo}`;
      await tx.insertSeals([{ SealNo, LogID, Root, PrevRoot: last?.Root ?? null, SealedAt: NOW }]);
      return SealNo;
    };
    const numbers = [await store.transaction((tx) => seal(tx, twin.LogID))];
    await store.transaction((tx) => tx.readBatches([ref.LogID]));
    await store.transaction(async (tx) => {
      // It says where the run is now.
      await tx.addEvents([event(twin)]);
      expect(await tx.readBatches([twin.LogID])).toMatchObject([{ batch: { LogID: ref.LogID } }]);
      numbers.push(await seal(tx, twin.LogID));
      expect(await tx.findSeals([twin.LogID])).toMatchObject([{ SealNo: numbers[1], LogID: twin.LogID }]);
    });
    const seals = await reader.seals({ logID: ref.LogID, limit: 10 });
    expect(seals.map(({ SealNo }) => SealNo)).toEqual(numbers);
  });

  it('is repaired once, whoever sees it first', async () => {
    const start = runStart();
    const ref = await open(start);
    await openTwin(ref);
    const stores = await Promise.all(
      Array.from({ length: 4 }, () => engine.openAuditStore({ url: endpoint.url })),
    );
    const records = await Promise.all(
      stores.map((one) => one.transaction((tx) => tx.readBatches([ref.LogID]))),
    );
    await Promise.all(stores.map((one) => one.close()));
    expect(records.map(([record]) => record!.batch.LogID)).toEqual([
      ref.LogID,
      ref.LogID,
      ref.LogID,
      ref.LogID,
    ]);
    expect(await reader.batches({ text: start.WorkflowID })).toHaveLength(1);
  });
});
