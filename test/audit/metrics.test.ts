import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import type { LogEntry } from '@temporalio/worker';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Mailbox } from '../../src/audit/mailbox.js';
import { event, runStart } from '../support/rows.js';
import { Looking } from './looking.js';
import { AuditedQueue } from '../proof/auditedQueue.js';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
const logged: LogEntry[] = [];
let queue: AuditedQueue;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('DEBUG', (entry) => logged.push(entry)) });
  // As a user's own SDK is installed: before the worker is made.
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  queue = await AuditedQueue.open();
});
afterAll(async () => {
  await queue.close();
  metrics.disable();
});

/** Each metric's value; of a histogram the number of its records. */
async function readings(): Promise<Record<string, number>> {
  const { resourceMetrics } = await reader.collect();
  const own = resourceMetrics.scopeMetrics.filter(({ scope }) => scope.name === 'batchtrail');
  return Object.fromEntries(
    own
      .flatMap((scope) => scope.metrics)
      .map(({ descriptor, dataPoints }) => {
        const value = dataPoints[0]?.value;
        return [
          descriptor.name,
          typeof value === 'number' ? value : ((value as { count?: number })?.count ?? NaN),
        ];
      }),
  );
}

it('tells an OpenTelemetry SDK what was written and certified, and what waits', async () => {
  await queue.audited(async () => {
    await queue.run('oneStep', [{ failures: 1 }]);
    await queue.run('oneStep', [{ failures: 9 }, { retry: { maximumAttempts: 1 } }]);
    await queue.certified();
    // A row shows a moment before the disk has it and it counts.
    await expect.poll(readings).toMatchObject({
      'batchtrail.batches.open': 0,
      'batchtrail.events.written': 6,
      'batchtrail.certificates': 2,
      'batchtrail.gaps.healed': 0,
      'batchtrail.outbox.depth': 0,
    });
    const found = await readings();
    expect(found['batchtrail.flush.size']).toBeGreaterThan(2);
    expect(found['batchtrail.flush.duration']).toBe(found['batchtrail.flush.size']);
    expect(found['batchtrail.reconciler.lag']).toBeLessThan(120);
  });
});

it('tells how many changes are in the outbox and since when, and looks there only when somebody collects', async () => {
  const looks = vi.spyOn(Mailbox.prototype, 'waiting');
  await queue.audited(async () => {
    // Its batch is known before the outage.
    const run = await queue.start('oneStep', [{ slow: { attempts: 1, ms: 1_000 } }]);
    const started = async (): Promise<number> => (await queue.batchesOf(run))[0]?.events.length ?? 0;
    await expect.poll(started).toBe(1);
    const lock = new Database(queue.file);
    lock.exec('BEGIN EXCLUSIVE');
    // The end of its step is in the outbox then.
    await run.result();
    expect(looks).not.toHaveBeenCalled();
    expect(await readings()).toMatchObject({ 'batchtrail.outbox.depth': 1 });
    expect(looks).toHaveBeenCalledTimes(1);
    const { 'batchtrail.outbox.age': age } = await readings();
    expect(age).toBeGreaterThan(0);
    expect(age).toBeLessThan(120);

    lock.close();
    const depth = async (): Promise<number | undefined> => (await readings())['batchtrail.outbox.depth'];
    await expect.poll(depth).toBe(0);
    // Nothing at all would leave the collector with the age that it was told last.
    expect(await readings()).toMatchObject({ 'batchtrail.outbox.age': 0 });
    await queue.certified();
  });
  looks.mockRestore();
});

it('counts what workers saw of runs that they left before they could open them', async () => {
  const audit = await Looking.open();
  const written = async (): Promise<number> => (await readings())['batchtrail.events.written'] ?? 0;
  const before = await written();
  const start = runStart();
  const events = ['1', '2', '3'].map((ActivityID) => event({ LogID: 0, RunID: start.RunID }, { ActivityID }));
  await audit.recorder.recordUnopened(start, events, 'worker');
  expect((await written()) - before).toBe(3);
  await audit.close();
});

it('logs a failed batch through the runtime, with the ids that find it', () => {
  const failed = logged.filter(({ message }) => message === 'A batch failed');
  expect(failed.map(({ level, meta }) => ({ level, ...meta }))).toMatchObject([
    {
      level: 'WARN',
      LogID: 2,
      WorkflowID: expect.stringMatching(/^oneStep-/) as string,
      RunID: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      Status: 'Error',
      error: expect.stringContaining('fault') as string,
    },
  ]);
});
