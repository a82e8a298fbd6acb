import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditedWorkers, isTaken } from './auditedWorkers.js';
import { Place } from './place.js';

const COMPLAINT = 'The audit store does not take changes';
const OUTAGE_MS = 62_000;
const SLOTS = 4;
const NEW_RUNS = 10;

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

it(
  'during a minute without a store, running batches end and new ones wait; afterwards nothing is missing',
  async () => {
    const place = new Place();
    const taskQueue = randomUUID();
    await workers.run(taskQueue, { url: place.url }, { maxConcurrentWorkflowTaskExecutions: SLOTS });
    const slow = await workers.start(taskQueue, 'slowSteps', 30);
    const signalled = await workers.start(taskQueue, 'signalled');
    // Its tasks need slots from the first second of the outage on.
    const ticking = await workers.start(taskQueue, 'ticking', 60);
    await expect.poll(() => place.batch(signalled)?.events.length).toBe(2);
    await expect.poll(() => place.batch(ticking)).toBeDefined();
    await expect.poll(() => place.batch(slow)?.events.length).toBeGreaterThan(0);

    const unlock = place.lock();
    const back = Date.now() + OUTAGE_MS;
    const logged = workers.lines.length;
    const fresh: WorkflowHandle[] = [];
    for (let number = 0; number < NEW_RUNS; number++) fresh.push(await workers.start(taskQueue, 'talking'));
    await Promise.all([slow.result(), ticking.result()]);
    await signalled.signal('proceed');
    await signalled.result();
    const waiting = (await place.outbox())[0]!.waiting;
    expect(waiting).toBeGreaterThan(0);
    // The length of the outage is the point: longer than workflow tasks may take.
    await delay(Math.max(0, back - Date.now()));
    for (const handle of fresh) {
      const { status } = await handle.describe();
      const { events } = await handle.fetchHistory();
      expect(status.name).toBe('RUNNING');
      expect(events!.some(({ activityTaskScheduledEventAttributes: it }) => it)).toBe(false);
    }
    const taken = await Promise.all(fresh.map((handle) => isTaken(handle)));
    expect(taken.filter((is) => is).length).toBeLessThanOrEqual(SLOTS);
    const said = workers.lines.slice(logged);
    expect(said.filter((line) => line.includes(COMPLAINT)).length).toBeGreaterThanOrEqual(1);
    expect(said.length, said.join('\n')).toBeLessThanOrEqual(3);
    expect(place.runs().every(({ CertifiedAt }) => CertifiedAt === null)).toBe(true);

    unlock();
    await Promise.all(fresh.map((handle) => handle.result()));
    await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(NEW_RUNS + 3);
    expect(place.runs().map(({ Status, GapCount }) => ({ Status, GapCount }))).toEqual(
      place.runs().map(() => ({ Status: 'Success', GapCount: 0 })),
    );
    const all = [slow, signalled, ...fresh].map((handle) => place.batch(handle)!);
    expect(all.map(({ batch }) => [batch.Status, batch.RetryCount])).toEqual(all.map(() => ['Success', 0]));
    expect(all.map(({ events }) => events.length)).toEqual([60, 4, ...fresh.map(() => 4)]);
    for (const { events } of all) for (const { Attempt } of events) expect(Attempt ?? 1).toBe(1);
    for (const handle of fresh) {
      expect(
        place.batch(handle)!.events.map(({ StepName, EventType }) => `${StepName} ${EventType}`),
      ).toEqual(['begin info', 'step start', 'step success', 'end info']);
    }
  },
  OUTAGE_MS + 90_000,
);
