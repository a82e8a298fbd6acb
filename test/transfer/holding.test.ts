/** The snapshot that a transfer from PostgreSQL reads: what holding it costs, and what becomes of it. */
import type { WorkflowFailedError } from '@temporalio/client';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { PipelineEvent } from '../../src/domain/model.js';
import { openSource } from '../../src/engines/postgres/transfer/source.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import type { Run } from './rig.js';
import { OWN_PLACES, Rig } from './rig.js';
import { TcpProxy } from './tcpProxy.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Snapshots of PostgreSQL');

const ROWS = 100;
const GATE = 42;

describe.skipIf(!server)('holding a snapshot', () => {
  let rig: Rig;
  let db: pg.Client;
  let proxy: TcpProxy;

  beforeAll(async () => {
    db = new pg.Client(server!.url);
    await db.connect();
    await db.query(`CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, note text);
      INSERT INTO app.t SELECT i, 'note ' || i FROM generate_series(1, ${ROWS}) i; ANALYZE app.t;
      CREATE FUNCTION app.gate() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE 'COPY%' THEN PERFORM pg_advisory_xact_lock_shared(${GATE}); END IF;
        RETURN true;
      END $$`);
    const { host } = new URL(server!.url);
    proxy = await TcpProxy.start(host);
    rig = await Rig.open(() => ({
      pg: { url: server!.url },
      far: { url: server!.url.replace(host, proxy.host) },
    }));
  });
  afterEach(async () => {
    await db.query('SELECT pg_advisory_unlock_all()');
  });
  afterAll(async () => {
    await rig?.close();
    await proxy?.stop();
    await db?.end();
    await server?.stop();
  });

  const start = (to: string, source = 'pg'): Promise<Run> =>
    rig.start('historicalTransfer', {
      ...{ ...OWN_PLACES, source, mode: 'append' },
      tables: [{ from: 'app.t', to: `DWH.${to}`, where: 'app.gate()' }],
    });

  /** A run that extracts, and can't end. */
  async function startedExtracting(to: string, source = 'pg'): Promise<Run> {
    await db.query(`SELECT pg_advisory_lock(${GATE})`);
    const run = await start(to, source);
    await vi.waitUntil(
      async () => (await db.query(`SELECT 1 FROM pg_locks WHERE NOT granted`)).rowCount === 1,
      { timeout: 30_000, interval: 50 },
    );
    return run;
  }
  const open = (): Promise<unknown> => db.query(`SELECT pg_advisory_unlock(${GATE})`);

  const expectOnce = async (run: Run, table: string): Promise<void> => {
    expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: ROWS });
    expect(rig.rows('target/DWH', `SELECT count(*), count(DISTINCT id) FROM ${table}`)).toEqual([
      [BigInt(ROWS), BigInt(ROWS)],
    ]);
  };
  /** The events of the step that holds the snapshot, as far as they are known. */
  async function holderEvents({ runId }: Run): Promise<PipelineEvent[]> {
    return rig.reading(async (audit) => {
      const [run] = await audit.runs([runId]);
      const { events } = (await audit.batch(run!.LogID))!;
      return events.filter(({ StepName }) => StepName === 'holdSnapshot');
    });
  }
  const endsOf = (events: PipelineEvent[]): PipelineEvent[] =>
    events.filter(({ EventType }) => EventType !== 'start');

  it('takes no slot: more runs at once than slots are all done, and the audit saw all of it', async () => {
    await rig.stopWorker();
    await rig.startWorker(rig.connections, 'audit', { maxConcurrentActivityTaskExecutions: 1 });
    const runs = await Promise.all(['a', 'b', 'c'].map((to) => start(to)));
    const areDone = Promise.all(runs.map((run) => rig.resultOf(run)));
    expect(await Promise.race([areDone, limit(90_000)])).toHaveLength(3);
    for (const run of runs) {
      const { runs: certified, events } = await rig.batchOf(run);
      expect(certified).toMatchObject([{ GapCount: 0 }]);
      expect(events.filter(({ StepName }) => StepName === 'holdSnapshot')).toMatchObject([
        { EventType: 'start', Witness: 'both' },
        {
          EventType: 'success',
          Witness: 'both',
          SourceSystem: expect.stringContaining('postgres') as unknown,
        },
      ]);
    }
  }, 120_000);

  it('ends with its worker, and another one extracts all again', async () => {
    const run = await startedExtracting('d');
    await rig.stopWorker();
    expect(await holderEvents(run)).toMatchObject([
      { EventType: 'start' },
      {
        EventType: 'failure',
        ErrorType: 'SnapshotLost',
        ErrorMessage: expect.stringContaining('shut down') as unknown,
      },
    ]);
    await open();
    await rig.startWorker(rig.connections);
    await expectOnce(run, 'd');
    const { events } = await rig.batchOf(run);
    expect(endsOf(events.filter(({ StepName }) => StepName === 'holdSnapshot'))).toMatchObject([
      { EventType: 'failure', Witness: 'both' },
      { EventType: 'success', Witness: 'both' },
    ]);
  });

  it('waits for a source that is away for a while', async () => {
    const run = await startedExtracting('e', 'far');
    await proxy.cut();
    await vi.waitUntil(async () => endsOf(await holderEvents(run)).length >= 4, {
      timeout: 60_000,
      interval: 200,
    });
    expect(endsOf(await holderEvents(run)).map(({ ErrorType }) => ErrorType)).toEqual([
      'SnapshotLost',
      ...Array.from({ length: 3 }, () => 'Unreachable'),
    ]);
    await open();
    await proxy.mend();
    await expectOnce(run, 'e');
    const { events } = await rig.client.workflow.getHandle(run.workflowId).fetchHistory();
    const pauses = events!
      .map(({ timerStartedEventAttributes }) => timerStartedEventAttributes?.startToFireTimeout?.seconds)
      .filter((seconds) => seconds !== undefined);
    expect(pauses.slice(0, 4).map(Number)).toEqual([1, 2, 4, 8]);
  });

  describe('of a source that falls silent', () => {
    afterEach(async () => {
      await proxy.cut();
      await proxy.mend();
    });

    /** A run that extracts, whose holder waits for an answer. */
    async function silenced(to: string): Promise<Run> {
      const run = await startedExtracting(to, 'far');
      proxy.silence();
      await vi.waitUntil(() => proxy.unanswered > 0, { timeout: 10_000, interval: 50 });
      return run;
    }

    it('is given up after a while, and all is extracted again', async () => {
      const run = await silenced('f');
      await vi.waitUntil(async () => endsOf(await holderEvents(run)).length > 0, {
        timeout: 60_000,
        interval: 200,
      });
      expect(endsOf(await holderEvents(run))).toMatchObject([
        { EventType: 'failure', ErrorType: 'SnapshotLost' },
      ]);
      await open();
      await expectOnce(run, 'f');
    });

    it('ends with its run, when that is cancelled', async () => {
      const run = await silenced('g');
      await rig.client.workflow.getHandle(run.workflowId).cancel();
      const end = rig.resultOf(run).then(
        () => 'done',
        (error: WorkflowFailedError) => error.cause?.name,
      );
      expect(await Promise.race([end, limit(20_000)])).toBe('CancelledFailure');
      const { batch, events } = await rig.batchOf(run);
      expect(batch.Status).toBe('Cancelled');
      expect(endsOf(events.filter(({ StepName }) => StepName === 'holdSnapshot'))).toMatchObject([
        { EventType: 'success', Witness: 'both' },
      ]);
    });

    it('ends with its worker', async () => {
      const run = await silenced('h');
      expect(await Promise.race([rig.stopWorker(), limit(20_000)])).toBeUndefined();
      expect(endsOf(await holderEvents(run))).toMatchObject([
        { ErrorType: 'SnapshotLost', ErrorMessage: expect.stringContaining('shut down') as unknown },
      ]);
      await open();
      await rig.startWorker(rig.connections);
      await expectOnce(run, 'h');
      const { events } = await rig.batchOf(run);
      expect(endsOf(events.filter(({ StepName }) => StepName === 'holdSnapshot'))).toMatchObject([
        { EventType: 'failure', Witness: 'both' },
        { EventType: 'success', Witness: 'both' },
      ]);
    });

    it('is closed without its answer', async () => {
      const source = await openSource({ ...rig.connections['far']!, signal: new AbortController().signal });
      const snapshot = await source.openSnapshot();
      proxy.silence();
      expect(await Promise.race([snapshot.close(), limit(20_000)])).toBeUndefined();
    });
  });
});

const limit = (ms: number): Promise<string> =>
  new Promise((resolve) => setTimeout(() => resolve(`not done after ${ms} ms`), ms).unref());
