/** Activities that go on outside their slots: what Temporal and the audit are told of their ends. */
import { randomUUID } from 'node:crypto';
import type { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GoesOn } from '../../src/audit/outsideSlot.js';
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
