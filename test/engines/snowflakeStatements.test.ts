/** What Snowflake is told: few statements, each tagged, and again when it has aborted one. */
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { recordLive } from '../../src/audit/ledger/recordLive.js';
import type { BatchRef } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/snowflake/index.js';
import { Pace } from '../../src/engines/snowflake/pace.js';
import { queryTag } from '../../src/engines/snowflake/queryTag.js';
import { givenSnowflake } from './snowflakeEndpoint.js';
import { event, NOW, runStart } from '../support/rows.js';

/** One holds the lock, and more than 20 wait for it. */
const WRITERS = 26;

const { endpoint, describeSnowflake } = await givenSnowflake();

describeSnowflake('a Snowflake store', () => {
  const stores: AuditStore[] = [];
  const newStore = async (): Promise<AuditStore> => {
    const store = await engine.openAuditStore({ url: endpoint.url });
    stores.push(store);
    return store;
  };
  const openMany = (store: AuditStore, count: number): Promise<BatchRef[]> =>
    inLedger(store, (ledger) =>
      openRuns(
        ledger,
        Array.from({ length: count }, () => runStart()),
      ),
    );
  /** The first words of what was run for `work`, and the batches in its tags. */
  const told = async (work: () => Promise<unknown>) => {
    const before = (await endpoint.statements()).length;
    await work();
    return (await endpoint.statements()).slice(before).map(({ text, tag }) => ({
      words: /^(?:MERGE INTO|INSERT INTO|\w+)(?: AUDIT\.\w+)?/.exec(text)![0].replace('AUDIT.', ''),
      batches: (JSON.parse(tag!) as { app: 'batchtrail'; BatchID?: number[] }).BatchID,
    }));
  };
  const words = async (work: () => Promise<unknown>): Promise<string[]> =>
    (await told(work)).map((statement) => statement.words);

  beforeAll(async () => {
    vi.spyOn(Pace.prototype, 'take').mockResolvedValue();
    await (await newStore()).migrate();
  });
  afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));

  it('writes the events of a flush with two statements, tagged with their batches', async () => {
    const store = await newStore();
    const refs = await openMany(store, 2);
    const events = refs.flatMap((ref) => [event(ref, { EventType: 'start' }), event(ref)]);
    const statements = await told(() => inLedger(store, (ledger) => recordLive(ledger, events), NOW));
    expect(statements.map(({ words }) => words)).toEqual(['SELECT', 'MERGE INTO PipelineEvent']);
    const LogIDs = refs.map(({ LogID }) => LogID).sort((a, b) => a - b);
    expect(statements.map(({ batches }) => batches)).toEqual([LogIDs, LogIDs]);
  });

  it('opens any number of runs with one MERGE and one SELECT of batches', async () => {
    const store = await newStore();
    expect(await words(() => openMany(store, 40))).toEqual([
      ...['SELECT', 'BEGIN', 'MERGE INTO PipelineLog', 'SELECT', 'MERGE INTO PipelineRun', 'COMMIT'],
    ]);
  });

  it('begins no transaction to read', async () => {
    const store = await newStore();
    const [ref] = await openMany(store, 1);
    const reading = (): Promise<unknown> =>
      store.transaction(async (tx) => {
        await tx.findRuns([ref!.RunID]);
        await tx.lockBatches([ref!.LogID]);
      });
    expect(await words(reading)).toEqual(['SELECT', 'SELECT']);
  });

  it('takes the locks of tables in one order, whatever the order of the work', async () => {
    const store = await newStore();
    const [ref] = await openMany(store, 1);
    const writing = (): Promise<unknown> =>
      store.transaction(async (tx) => {
        const [run] = await tx.findRuns([ref!.RunID]);
        const [batch] = await tx.lockBatches([ref!.LogID]);
        await tx.putEvents([event(ref!)]);
        await tx.updateRuns([run!]);
        await tx.updateBatches([{ ...batch!, CustomMessage: 'x' }]);
      });
    expect((await words(writing)).slice(2)).toEqual([
      ...['BEGIN', 'MERGE INTO PipelineLog', 'MERGE INTO PipelineRun', 'MERGE INTO PipelineEvent', 'COMMIT'],
    ]);
  });

  it('adds to the chain of seals with three statements, after those of the other tables', async () => {
    const store = await newStore();
    const [ref] = await openMany(store, 1);
    const sealing = (): Promise<unknown> =>
      store.transaction(async (tx) => {
        await tx.putEvents([event(ref!)]);
        const last = await tx.lastSeal();
        const place = { SealNo: (last?.SealNo ?? 0) + 1, PrevRoot: last?.Root ?? null };
        await tx.insertSeals([{ ...place, LogID: ref!.LogID, Root: 'root', SealedAt: NOW }]);
      });
    expect(await words(sealing)).toEqual([
      ...['BEGIN', 'MERGE INTO PipelineEvent', 'UPDATE Store', 'SELECT', 'MERGE INTO Seal', 'COMMIT'],
    ]);
  });

  it('takes a turn with two statements, and with one learns that it is not to be had', async () => {
    const store = await newStore();
    const take = (holder: string): Promise<unknown> =>
      store.transaction((tx) => tx.takeTurn({ scope: 'work', holder, forMs: 60_000 }));
    expect(await words(() => take('one'))).toEqual(['SELECT', 'MERGE INTO Turn']);
    expect(await words(() => take('one'))).toEqual(['SELECT', 'MERGE INTO Turn']);
    expect(await words(() => take('two'))).toEqual(['SELECT']);
  });

  it('goes on when more wait for a table than Snowflake lets wait', async () => {
    const first = await newStore();
    const [ref] = await openMany(first, 1);
    const many = await Promise.all(Array.from({ length: WRITERS }, newStore));
    const retry = { EventType: 'retry', RetryStatus: 'retrying' } as const;
    const changing = many.map((store, index) =>
      inLedger(
        store,
        (ledger) => recordLive(ledger, [event(ref!, { ...retry, ActivityID: `${index}` })]),
        NOW,
      ),
    );
    await Promise.all(changing);
    const [record] = await first.transaction((tx) => tx.readBatches([ref!.LogID]));
    expect([record!.batch.RetryCount, record!.events.length]).toEqual([WRITERS, WRITERS]);
  });

  it('tags a statement with as many batches as fit', () => {
    const tag = queryTag(Array.from({ length: 1000 }, (_, index) => 100_000 + index));
    expect(tag.length).toBeLessThanOrEqual(2000);
    expect((JSON.parse(tag) as { BatchID: number[] }).BatchID.length).toBeGreaterThan(250);
    expect(queryTag()).toBe('{"app":"batchtrail"}');
  });
});
