/** Activities that go on outside their slots: what Temporal and the audit are told of their ends. */
import { randomUUID } from 'node:crypto';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GoesOn } from '../../src/audit/outsideSlot.js';
import { connectWorker } from '../support/temporal.js';
import { AuditedWorkers } from './auditedWorkers.js';
import { Place } from './place.js';

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

/** Goes on until it is told to end, and throws why, as the SDK's own waits do. */
const activities = {
  async step(): Promise<void> {
    throw new GoesOn(async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw signal.reason;
    });
  },
};

it('one that throws why it was cancelled is cancelled, and no failure', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  await workers.run(taskQueue, { url: place.url }, { activities });
  const run = await workers.start(taskQueue, 'awaitedStep');
  await expect.poll(() => place.batch(run)?.events.length).toBe(1);
  await run.cancel();
  const error: unknown = await run.result().catch((reason: unknown) => reason);
  expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  await expect.poll(() => place.runs()[0]?.CertifiedAt).toBeTruthy();
  const { batch, events } = place.batch(run)!;
  expect(batch).toMatchObject({ Status: 'Cancelled', AlertTriggered: 0 });
  expect(events).toMatchObject([
    { EventType: 'start', Witness: 'both' },
    { EventType: 'cancelled', Witness: 'both' },
  ]);
}, 90_000);

it('they end with their worker, whichever connection it had when they began', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const audit = { url: place.url };
  const [before, after] = [await connectWorker(), await connectWorker()];
  const { worker, stop } = await workers.run(taskQueue, audit, { connection: before, activities });
  const run = await workers.start(taskQueue, 'awaitedStep');
  await expect.poll(() => place.batch(run)?.events.length).toBe(1);
  worker.connection = after;
  await before.close();
  const replaced = Date.now();
  const later = await workers.start(taskQueue, 'awaitedStep');
  await expect.poll(() => place.batch(later)?.events.length).toBe(1);
  // Temporal still hears of the one that began before.
  await expect.poll(() => beatOf(run)).toBeGreaterThan(replaced);
  await stop();
  for (const each of [run, later]) {
    expect(place.batch(each)!.events).toMatchObject([
      { EventType: 'start' },
      { EventType: 'failure', ErrorMessage: 'WORKER_SHUTDOWN' },
    ]);
  }

  await workers.run(taskQueue, audit);
  for (const each of [run, later]) await expect(each.result()).rejects.toThrow(WorkflowFailedError);
  await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(2);
  for (const each of [run, later]) {
    expect(place.batch(each)!.events).toMatchObject([
      { EventType: 'start', Witness: 'both' },
      { EventType: 'failure', Witness: 'both', ErrorMessage: 'WORKER_SHUTDOWN' },
    ]);
  }
  await after.close();
}, 90_000);

/** When Temporal last heard of its step. */
async function beatOf(run: WorkflowHandle): Promise<number> {
  const [step] = (await run.describe()).raw.pendingActivities!;
  return Number(step?.lastHeartbeatTime?.seconds ?? 0) * 1_000;
}
