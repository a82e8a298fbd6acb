/** A load that begins before all is staged: how long it waits for chunks, and what the workflow makes of it when it gave up. */
import { randomUUID } from 'node:crypto';
import { activityInfo, Context } from '@temporalio/activity';
import { ServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterEach, expect, it, vi } from 'vitest';
import { StagedChunks, StillMissing } from '../../src/activities/stagedChunks.js';
import type { StagedChunk, TransferActivities } from '../../src/domain/transfer.js';
import { SNAPSHOT_SIGNAL, STAGED_QUERY } from '../../src/domain/transfer.js';
import { connectClient, connectWorker } from '../support/temporal.js';
import { OWN_PLACES, WORKFLOWS } from './rig.js';

afterEach(() => {
  vi.useRealTimers();
});

const chunk = (object: string): StagedChunk => ({ object, rows: 1, bytes: 1 });

/** In an activity whose workflow gives one answer after the other. */
function asking<T>(
  answers: (after: number) => StagedChunk[],
  work: (chunks: StagedChunks) => Promise<T>,
): Promise<T> {
  const query = async (_: string, __: string, after: number): Promise<StagedChunk[]> => answers(after);
  const client = {
    workflow: { getHandle: () => ({ query }) },
    withAbortSignal: (_: AbortSignal, call: () => Promise<unknown>) => call(),
  } as unknown as Client;
  const info = { workflowExecution: { workflowId: 'w', runId: 'r' } };
  return new MockActivityEnvironment(info, { client }).run(() =>
    work(new StagedChunks('x', new AbortController().signal)),
  );
}

it('a chunk is waited for as long as others come, and for a minute without any', async () => {
  vi.useFakeTimers();
  const began = Date.now();
  const secondsSince = (): number => Math.round((Date.now() - began) / 1_000);
  const all = ['a', 'b', 'wanted'].map(chunk);
  // Each comes 50 seconds after the one before.
  const waiting = asking(
    (after) => all.slice(after, Math.floor(secondsSince() / 50)),
    async (chunks) => {
      expect(await chunks.get('wanted')).toEqual(chunk('wanted'));
      expect(secondsSince()).toBe(150);
      await expect(chunks.get('never')).rejects.toBeInstanceOf(StillMissing);
      expect(secondsSince()).toBe(210);
    },
  );
  await vi.advanceTimersByTimeAsync(300_000);
  await waiting;
});

/** As a client tells it. */
function serviceError(code: number): ServiceError {
  const cause = Object.assign(new Error(`${code}`), { code, details: '', metadata: {} });
  return new ServiceError('Failed to query Workflow', { cause });
}

it('a workflow that nobody can ask now is asked again, and one that is gone is not', async () => {
  vi.useFakeTimers();
  // The answer takes too long, as a worker's client tells it, and as others do; no worker polls; Temporal is restarted.
  const failures = [1, 4, 9, 14].map(serviceError);
  const waiting = asking(
    (after) => {
      const failure = failures.shift();
      if (failure) throw failure;
      return [chunk('wanted')].slice(after);
    },
    (chunks) => chunks.get('wanted'),
  );
  const gone = asking(
    () => {
      throw serviceError(5);
    },
    (chunks) => chunks.get('wanted'),
  );
  const refusal = expect(gone).rejects.toThrow('Failed to query Workflow');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await waiting).toEqual(chunk('wanted'));
  await refusal;
});

it('a load begins with the first chunk, and when it gave up again when all is staged', async () => {
  const known: number[] = [];
  let releaseLast!: () => void;
  const last = new Promise<void>((resolve) => (releaseLast = resolve));
  const workflow = (): ReturnType<Client['workflow']['getHandle']> => {
    const { workflowId, runId } = activityInfo().workflowExecution!;
    return Context.current().client.workflow.getHandle(workflowId, runId);
  };
  const activities: Omit<TransferActivities, 'planIntervals' | 'extractTables'> = {
    prepareTransfer: async () => ({ sharesSnapshots: true, compresses: false }),
    async holdSnapshot({ extraction }) {
      await workflow().signal(SNAPSHOT_SIGNAL, { extraction, snapshot: 's' });
      const beat = setInterval(() => Context.current().heartbeat(), 100);
      await Context.current().cancelled.catch(() => undefined);
      clearInterval(beat);
      return { heldMs: 1 };
    },
    planTables: async () => [{ name: 'x', sourceRows: 2, chunks: 2 }],
    async extractChunk({ chunk: index }) {
      if (index === 1) await last;
      return { ...chunk(`x-${index}`), rowsProcessed: 1 };
    },
    async loadTables({ extraction }) {
      const staged = await workflow().query<StagedChunk[], [string, number]>(STAGED_QUERY, extraction, 0);
      known.push(staged.length);
      if (staged.length === 2) {
        return { rowsProcessed: 2, rowsRejected: 0, recordCountBefore: 0, recordCountAfter: 2 };
      }
      return { waitedFor: 'x-1' };
    },
    cleanStaging: async () => ({ removed: 0 }),
  };
  const [client, connection] = [await connectClient(), await connectWorker()];
  const taskQueue = `early-${randomUUID()}`;
  const worker = await Worker.create({
    ...{ connection, taskQueue, workflowsPath: WORKFLOWS, activities, maxHeartbeatThrottleInterval: 200 },
  });
  const input = { ...OWN_PLACES, tables: [{ from: 'app.t', to: 'dwh.t' }], mode: 'append' };
  const result = await worker.runUntil(async (): Promise<unknown> => {
    const options = { taskQueue, workflowId: taskQueue, args: [input] };
    const handle = await client.workflow.start('historicalTransfer', options);
    // Only then, so that the second chunk can't be staged before this answer is there.
    const hasGivenUp = async (): Promise<boolean> =>
      endedIn(await handle.fetchHistory()).includes('loadTables');
    await vi.waitUntil(hasGivenUp, 60_000);
    releaseLast();
    return handle.result();
  });
  expect(result).toMatchObject({ rowsProcessed: 2 });
  expect(known).toEqual([1, 2]);
  const [first, second] = beforeLoads(await client.workflow.getHandle(taskQueue).fetchHistory());
  // A load that is scheduled sooner sits in a slot which others need.
  expect(first).toEqual(['prepareTransfer', 'planTables', 'extractChunk']);
  expect(second!.filter((step) => step === 'extractChunk')).toHaveLength(2);
  await connection.close();
  await client.connection.close();
});

/** The steps that ended well, in this order. */
function endedIn({ events }: temporal.api.history.v1.IHistory): string[] {
  return events!.flatMap(({ activityTaskCompletedEventAttributes: done }) => {
    const scheduled = done && events!.find(({ eventId }) => eventId!.eq(done.scheduledEventId!));
    return scheduled?.activityTaskScheduledEventAttributes?.activityType?.name ?? [];
  });
}

/** For each attempt to load that the workflow made: what had ended before it. */
function beforeLoads({ events }: temporal.api.history.v1.IHistory): string[][] {
  return events!.flatMap(({ activityTaskScheduledEventAttributes: step }, index) =>
    step?.activityType?.name === 'loadTables' ? [endedIn({ events: events!.slice(0, index) })] : [],
  );
}
