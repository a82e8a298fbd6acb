import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Leaving } from '../../src/audit/delivery.js';
import { GoesOn } from '../../src/audit/outsideSlot.js';
import { endOf, startCli, untilPrinted } from '../cli/runCli.js';
import { event, runStart } from '../support/rows.js';
import { temporalAddress } from '../support/temporal.js';
import { AuditedWorkers, isTaken } from './auditedWorkers.js';
import { FaultyStore } from './faultyStore.js';
import { Place } from './place.js';

const COMPLAINT = 'The audit store does not take changes';
const WORKFLOWS = fileURLToPath(new URL('./workflows.ts', import.meta.url));

let workers: AuditedWorkers;
beforeAll(async () => void (workers = await AuditedWorkers.open()));
afterAll(() => workers.close());

it('a worker that is shut down during an outage does not wait for the store, and loses nothing', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const audit = { url: place.url };
  const first = await workers.run(taskQueue, audit);
  const before = await workers.start(taskQueue, 'signalled');
  await expect.poll(() => place.batch(before)?.events.length).toBe(2);

  const logged = workers.lines.length;
  const unlock = place.lock();
  const runs: WorkflowHandle[] = [];
  for (let number = 0; number < 4; number++) {
    runs.push(await workers.start(taskQueue, 'talking'), await workers.start(taskQueue, 'sayingOnly'));
  }
  await expect.poll(() => workers.lines.slice(logged).join()).toContain(COMPLAINT);
  // Their sinks wait for the store. The others are left for later.
  const taken = await Promise.all(runs.map((run) => isTaken(run)));
  expect(taken).toContain(true);
  const asked = Date.now();
  first.worker.shutdown();
  await first.ended;
  expect(Date.now() - asked).toBeLessThan(2_000);
  expect(workers.lines.slice(logged)).toHaveLength(1);

  unlock();
  await workers.run(taskQueue, audit);
  await before.signal('proceed');
  await Promise.all([before, ...runs].map((run) => run.result()));
  await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(9);
  for (const { Status, GapCount } of place.runs())
    expect({ Status, GapCount }).toEqual({ Status: 'Success', GapCount: 0 });
  for (const run of runs) {
    const { events, batch } = place.batch(run)!;
    expect(batch.RetryCount).toBe(0);
    expect(
      events.map(({ StepName, EventType, Attempt }) => `${StepName} ${Attempt ?? ''} ${EventType}`),
    ).toEqual(
      batch.WorkflowType === 'talking'
        ? ['begin  info', 'step 1 start', 'step 1 success', 'end  info']
        : ['only  info'],
    );
  }
}, 90_000);

it('SIGTERM during an outage ends the process of a worker in which runs wait, and another one goes on with them', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  writeFileSync(join(place.folder, 'activities.ts'), 'export async function step() {}');
  writeFileSync(
    join(place.folder, 'batchtrail.yaml'),
    `audit: { url: "sqlite:." }
worker: { taskQueue: ${taskQueue}, activities: ./activities.ts, workflowsPath: ${JSON.stringify(WORKFLOWS)} }`,
  );
  const env = { TEMPORAL_ADDRESS: temporalAddress() };
  const child = startCli(['worker'], { cwd: place.folder, env });
  const ended = endOf(child);
  await untilPrinted(child, /Polling/);
  const before = await workers.start(taskQueue, 'signalled');
  await expect.poll(() => place.batch(before)?.events.length).toBe(2);

  const unlock = place.lock();
  const complaint = untilPrinted(child, new RegExp(COMPLAINT));
  const runs: WorkflowHandle[] = [];
  for (let number = 0; number < 4; number++) runs.push(await workers.start(taskQueue, 'talking'));
  await complaint;
  expect(await Promise.all(runs.map((run) => isTaken(run)))).toContain(true);
  const asked = Date.now();
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0 });
  expect(Date.now() - asked).toBeLessThan(5_000);

  unlock();
  await workers.run(taskQueue, { url: place.url });
  await before.signal('proceed');
  await Promise.all([before, ...runs].map((run) => run.result()));
  await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(5);
  for (const run of runs) {
    expect(place.batch(run)!.events.map(({ StepName, Attempt }) => `${StepName} ${Attempt ?? ''}`)).toEqual([
      'begin ',
      'step 1',
      'step 1',
      'end ',
    ]);
  }
}, 90_000);

it('under strict, a step that has ended does not hold up the shutdown, and its end is not lost', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const audit = { url: place.url, strict: true };
  const first = await workers.run(taskQueue, audit);
  const run = await workers.start(taskQueue, 'slowSteps', 4);
  await expect.poll(() => place.batch(run)?.events.length).toBeGreaterThan(0);
  const logged = workers.lines.length;
  const unlock = place.lock();
  await expect.poll(() => workers.lines.slice(logged).join()).toContain(COMPLAINT);
  expect(await place.outbox()).toEqual([]);
  const asked = Date.now();
  first.worker.shutdown();
  await first.ended;
  expect(Date.now() - asked).toBeLessThan(2_000);
  expect((await place.outbox())[0]!.waiting).toBeGreaterThan(0);

  unlock();
  await workers.run(taskQueue, audit);
  await run.result();
  await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(1);
  expect(place.runs()).toMatchObject([{ Status: 'Success', GapCount: 0 }]);
  const { batch, events } = place.batch(run)!;
  expect(batch.RetryCount).toBe(0);
  expect(events).toHaveLength(8);
}, 90_000);

it('under strict, an activity that goes on outside its slot does not hold up the shutdown, and its end is not lost', async () => {
  const place = new Place();
  const taskQueue = randomUUID();
  const audit = { url: place.url, strict: true };
  const step = async (): Promise<void> => {
    throw new GoesOn(async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw signal.reason;
    });
  };
  const first = await workers.run(taskQueue, audit, { activities: { step } });
  const run = await workers.start(taskQueue, 'signalled');
  await expect.poll(() => place.batch(run)?.events.length).toBe(1);
  const logged = workers.lines.length;
  const unlock = place.lock();
  await workers.start(taskQueue, 'sayingOnly');
  await expect.poll(() => workers.lines.slice(logged).join()).toContain(COMPLAINT);
  const asked = Date.now();
  first.worker.shutdown();
  await first.ended;
  expect(Date.now() - asked).toBeLessThan(2_000);
  expect((await place.outbox())[0]!.waiting).toBeGreaterThan(0);

  unlock();
  await workers.run(taskQueue, audit);
  await expect(run.result()).rejects.toThrow();
  await expect.poll(() => place.runs().filter(({ CertifiedAt }) => CertifiedAt).length).toBe(2);
  expect(place.batch(run)!.events).toMatchObject([
    { EventType: 'start', Witness: 'both' },
    { EventType: 'failure', Witness: 'both', ErrorMessage: 'WORKER_SHUTDOWN' },
  ]);
}, 90_000);

it('who waits for the batch of a worker that leaves goes on, and another worker still waits for the same one', async () => {
  const place = new Place();
  const store = new FaultyStore(await place.openStore());
  const recorder = await place.recorder({ openStore: async () => store });
  const known = await recorder.open(runStart(), 'leaving');
  store.isDown = true;
  await recorder.record([event(known)], 'leaving');
  const start = runStart();
  const leaving = expect(recorder.open(start, 'leaving')).rejects.toThrow(Leaving);
  const staying = recorder.batchOf(start, async () => start, 'staying');
  recorder.leave('leaving');
  await leaving;
  await expect(recorder.open(runStart(), 'leaving')).rejects.toThrow(Leaving);
  store.isDown = false;
  expect(await staying).toMatchObject({ RunID: start.RunID });
});
