/** A worker whose connection is replaced, for instance because its key was changed, and the old one closed. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectWorker } from '../support/temporal.js';
import { AuditedWorkers } from './auditedWorkers.js';
import { Place } from './place.js';

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

it('goes on closing and certifying its batches', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const [before, after] = [await connectWorker(), await connectWorker()];
  const activities = { step: async () => undefined };
  const { worker, stop } = await workers.run(
    taskQueue,
    { url: place.url },
    { connection: before, activities },
  );
  worker.connection = after;
  await before.close();
  const run = await workers.start(taskQueue, 'awaitedStep');
  await run.result();
  await expect.poll(() => place.runs()[0]?.CertifiedAt).toBeTruthy();
  expect(place.batch(run)!.batch).toMatchObject({ Status: 'Success' });
  await stop();
  await after.close();
});
