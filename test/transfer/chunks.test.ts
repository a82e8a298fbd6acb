/**
 * A transfer from PostgreSQL to PostgreSQL of which some chunks are held up: what is staged is loaded meanwhile, and
 * whatever happens then, each row is there once or the target is as it was.
 */
import { CancelledFailure, defaultPayloadConverter } from '@temporalio/common';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import type { Run } from './rig.js';
import { OWN_PLACES, Rig } from './rig.js';

const server = await ifPossible(startPostgres({ fsync: false }), 'Chunks of PostgreSQL');

const ROWS = 5_000;
/** From this row on, extracting waits at the gate. */
const HELD_UP = 4_000;
const GATE = 42;
/** What a load of the table takes first. */
const TURN = `hashtextextended('batchtrail dwh.t', 0)`;

const EXTRACTING = `query LIKE 'COPY (SELECT%' AND state = 'active'`;
const HOLDING = `query IN ('SELECT 1', 'SELECT pg_export_snapshot()') AND state = 'idle in transaction'`;
/** A chunk has been loaded, and its transaction is not over. */
const LOADED = `query LIKE 'INSERT INTO%batchload%' AND state = 'idle in transaction'`;
const WAITING = `wait_event = 'advisory'`;

describe.skipIf(!server)('chunks', () => {
  let rig: Rig;
  let db: pg.Client;

  beforeAll(async () => {
    db = new pg.Client(server!.url);
    await db.connect();
    await db.query(`CREATE SCHEMA app;
      CREATE TABLE app.t (id int PRIMARY KEY, note text);
      INSERT INTO app.t SELECT i, repeat('note ', 40) FROM generate_series(1, ${ROWS}) i; ANALYZE app.t;
      CREATE FUNCTION app.gate() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE 'COPY%' THEN PERFORM pg_advisory_xact_lock_shared(${GATE}); END IF;
        RETURN true;
      END $$`);
    rig = await Rig.open(() => ({ pg: { url: server!.url } }));
  });
  beforeEach(async () => {
    await db.query('DROP SCHEMA IF EXISTS dwh CASCADE; CREATE SCHEMA dwh');
  });
  afterEach(async () => {
    await db.query('SELECT pg_advisory_unlock_all()');
  });
  afterAll(async () => {
    await rig?.close();
    await db?.end();
    await server?.stop();
  });

  const rows = async (sql: string): Promise<unknown[][]> =>
    (await db.query({ text: sql, rowMode: 'array' })).rows as unknown[][];
  /** The transfer's connections that are in such a state. */
  const pids = async (state: string): Promise<unknown[]> =>
    (
      await rows(
        `SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres' AND ${state}`,
      )
    ).map(([pid]) => pid);
  const until = (sign: () => Promise<boolean>): Promise<unknown> =>
    vi.waitUntil(sign, { timeout: 30_000, interval: 50 });

  const close = (gate: number | string): Promise<unknown> => db.query(`SELECT pg_advisory_lock(${gate})`);
  const open = (gate: number | string): Promise<unknown> => db.query(`SELECT pg_advisory_unlock(${gate})`);

  const start = (): Promise<Run> =>
    rig.start('historicalTransfer', {
      ...{ ...OWN_PLACES, source: 'pg', target: 'pg', mode: 'append', parallel: 2 },
      tables: [{ from: 'app.t', to: 'dwh.t', chunkRows: 500, where: `id < ${HELD_UP} OR app.gate()` }],
    });

  /** A run whose last chunks are held up, while others of them are loaded. */
  async function startedInPart(): Promise<Run> {
    await close(GATE);
    const run = await start();
    await until(async () => (await pids(LOADED)).length === 1);
    await until(async () => (await pids(`${EXTRACTING} AND ${WAITING}`)).length === 2);
    return run;
  }

  const expectOnce = async (run: Run): Promise<void> => {
    expect(await rig.resultOf(run)).toMatchObject({ rowsProcessed: ROWS, recordCountAfter: ROWS });
    const counted = 'SELECT count(*)::int, count(DISTINCT id)::int, max(id) FROM dwh.t';
    expect(await rows(counted)).toEqual([[ROWS, ROWS, ROWS]]);
  };
  const eventsOf = async (run: Run, step: string, type: string): Promise<unknown[]> =>
    (await rig.batchOf(run)).events.filter(
      ({ StepName, EventType }) => StepName === step && EventType === type,
    );

  it('are loaded while others are extracted, and say how far they are', async () => {
    const run = await startedInPart();
    const progress = async (): Promise<unknown[]> => {
      const { raw } = await rig.client.workflow.getHandle(run.workflowId).describe();
      return (raw.pendingActivities ?? []).flatMap(({ heartbeatDetails }) =>
        (heartbeatDetails?.payloads ?? []).map((payload) =>
          defaultPayloadConverter.fromPayload<object>(payload),
        ),
      );
    };
    await vi.waitFor(
      async () =>
        expect(await progress()).toEqual(
          expect.arrayContaining([
            { tables: 0, rows: expect.any(Number) as unknown },
            { object: expect.any(String) as unknown, bytesRead: expect.any(Number) as unknown },
          ]),
        ),
      { timeout: 30_000, interval: 200 },
    );
    await open(GATE);
    await expectOnce(run);
  });

  it('that are done are not done again when another one fails', async () => {
    const run = await startedInPart();
    const [one] = await pids(EXTRACTING);
    await db.query('SELECT pg_terminate_backend($1)', [one]);
    await open(GATE);
    await expectOnce(run);
    const [{ length: tried }, { length: done }] = await Promise.all([
      eventsOf(run, 'extractChunk', 'start'),
      eventsOf(run, 'extractChunk', 'success'),
    ]);
    expect(done).toBeGreaterThan(5);
    expect(tried).toBe(done + 1);
    for (const step of ['holdSnapshot', 'loadTables'])
      expect(await eventsOf(run, step, 'start')).toHaveLength(1);
  });

  it('that were loaded are taken back when their snapshot is lost', async () => {
    const run = await startedInPart();
    const [lost] = await pids(HOLDING);
    await db.query('SELECT pg_terminate_backend($1)', [lost]);
    await until(async () => (await pids(HOLDING)).some((pid) => pid !== lost));
    await open(GATE);
    await expectOnce(run);
    for (const step of ['holdSnapshot', 'loadTables'])
      expect(await eventsOf(run, step, 'start')).toHaveLength(2);
  });

  it('that are refused end the batch before the others are extracted', async () => {
    await db.query(`CREATE TABLE dwh.t (id int PRIMARY KEY, note text, batchid bigint NOT NULL, loadedat timestamptz NOT NULL,
      CHECK (id <> 10))`);
    await close(GATE);
    const run = await start();
    expect(await rig.failureOf(run)).toMatchObject({ type: 'RowsRejected' });
    expect(await rows('SELECT count(*)::int FROM dwh.t')).toEqual([[0]]);
    await until(async () => (await pids('true')).length === 0);
  });

  it('are left where they were when the transfer is cancelled', async () => {
    const run = await startedInPart();
    const cancelledAt = Date.now();
    await rig.client.workflow.getHandle(run.workflowId).cancel();
    await expect(rig.resultOf(run)).rejects.toMatchObject({
      cause: expect.any(CancelledFailure) as unknown,
    });
    expect(Date.now() - cancelledAt).toBeLessThan(8_000);
    await until(async () => (await pids('true')).length === 0);
    expect(await rows(`SELECT to_regclass('dwh.t')`)).toEqual([[null]]);
  });

  it('need their snapshot no longer when they are staged', async () => {
    await close(TURN);
    const run = await start();
    await until(async () => (await pids(WAITING)).length === 1);
    await until(async () => (await pids('backend_xmin IS NOT NULL')).length === 1);
    expect(await pids('true')).toEqual(await pids(WAITING));
    await open(TURN);
    await expectOnce(run);
  });
});
