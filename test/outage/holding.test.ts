/** What an outage does to steps that run. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditedWorkers } from './auditedWorkers.js';
import { Place } from './place.js';

/** Longer than the steps' heartbeat timeout, and than the store is waited for before it counts as down. */
const OUTAGE_MS = 8_000;

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

it.each([false, true])(
  'a step that has ended stays alive while its end waits for the store, and keeps its attempt (strict: %s)',
  async (strict) => {
    const place = new Place();
    const taskQueue = randomUUID();
    await workers.run(taskQueue, { url: place.url, strict });
    const run = await workers.start(taskQueue, 'beatingStep', 1_500);
    await expect.poll(() => place.batch(run)?.events.length).toBe(1);
    const unlock = place.lock();
    await delay(OUTAGE_MS);
    // What is not strict has gone to the outbox, and on.
    if (strict) expect((await run.describe()).status.name).toBe('RUNNING');
    else await run.result();
    unlock();
    await run.result();
    await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(1);
    expect(place.batch(run)!.events.map(({ EventType, Attempt }) => `${EventType} ${Attempt}`)).toEqual([
      'start 1',
      'success 1',
    ]);
  },
  60_000,
);

it('under strict, no step begins while its start can not be written', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  let begun = 0;
  const step = async (): Promise<void> => {
    begun++;
    await delay(1_000);
  };
  await workers.run(taskQueue, { url: place.url, strict: true }, { activities: { step } });
  const run = await workers.start(taskQueue, 'slowSteps', 3);
  await expect.poll(() => begun).toBe(1);
  const unlock = place.lock();
  await delay(OUTAGE_MS);
  expect(begun).toBe(1);
  unlock();
  await run.result();
  expect(begun).toBe(3);
}, 60_000);
