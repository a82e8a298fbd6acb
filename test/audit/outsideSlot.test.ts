/** An activity that goes on outside its slot: what of it is durable, and when, and who is told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import type { Logger } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { LogEntry } from '@temporalio/worker';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GoesOn } from '../../src/audit/outsideSlot.js';
import type { BatchRecord } from '../../src/domain/model.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { BatchtrailPlugin } from '../../src/plugin.js';

let folder: string;
let plugin: BatchtrailPlugin;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-outside-'));
  plugin = new BatchtrailPlugin({ audit: { url: `sqlite:${folder}` } });
});
afterEach(async () => {
  await plugin.close();
  rmSync(folder, { recursive: true });
});

/** What the audit's database says of the activity. */
async function audited(): Promise<BatchRecord> {
  const audit = await engine.openAuditReader({ url: `sqlite:${folder}` });
  try {
    return (await audit.batch(1))!;
  } finally {
    await audit.close();
  }
}

async function recorded(): Promise<string[]> {
  const { events } = await audited();
  return events.map(({ EventType, ErrorType }) => [EventType, ErrorType].filter(Boolean).join(' '));
}

/** Runs it as a worker does. Answers what Temporal was told of its end, and what the audit had of it by then. */
async function told(
  work: (signal: AbortSignal) => Promise<unknown>,
  heartbeat: () => Promise<void> = async () => undefined,
): Promise<unknown> {
  let tell!: (what: unknown) => void;
  const end = new Promise((resolve) => (tell = resolve));
  await goOn(work, {
    heartbeat,
    complete: async (_: Uint8Array, result: unknown) => tell({ result, recorded: await recorded() }),
    fail: async (_: Uint8Array, error: Error) => tell({ error: error.message, recorded: await recorded() }),
  });
  return end;
}

/** Returns when it has left its slot. */
async function goOn(
  work: (signal: AbortSignal) => Promise<unknown>,
  activity: object,
  logger: Logger = new DefaultLogger(),
): Promise<void> {
  const client = {
    activity,
    withDeadline: (_: number, call: () => Promise<unknown>) => call(),
    withAbortSignal: (_: AbortSignal, call: () => Promise<unknown>) => call(),
  } as unknown as Client;
  const info = {
    ...{ activityId: 'outside', activityType: 'hold', scheduledTimestampMs: Date.now() },
    ...{ inWorkflow: false, workflowExecution: undefined as never },
  };
  const environment = new MockActivityEnvironment(info, {
    client,
    logger,
    interceptors: [plugin.activityInterceptor],
  });
  await expect(
    environment.run(async () => {
      throw new GoesOn(work);
    }),
  ).rejects.toBeInstanceOf(GoesOn);
}

const untilAborted = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve((signal.reason as Error).message), { once: true }),
  );

it('has its end recorded before Temporal is told, and no other line', async () => {
  expect(await told(async () => 'held')).toEqual({ result: 'held', recorded: ['start', 'success'] });
});

it('has its failure recorded before Temporal is told', async () => {
  const fails = async (): Promise<void> => {
    throw Object.assign(new Error('lost'), { name: 'SnapshotLost' });
  };
  expect(await told(fails)).toEqual({ error: 'lost', recorded: ['start', 'failure SnapshotLost'] });
});

it.each([
  { answer: new ActivityCancelledError('cancelled'), reason: 'CANCELLED' },
  { answer: new ActivityNotFoundError('gone'), reason: 'NOT_FOUND' },
])('hears of $reason by its beats, and of nothing else', async ({ answer, reason }) => {
  const answers: Error[] = [new Error('not now'), answer];
  const heartbeat = vi.fn(async () => {
    const error = answers.shift();
    if (error) throw error;
  });
  expect(await told(untilAborted, heartbeat)).toMatchObject({ result: reason });
  expect(heartbeat.mock.calls.length).toBeGreaterThanOrEqual(2);
});

it('says of which batch Temporal could not be told', async () => {
  const lines: LogEntry[] = [];
  const logger = new DefaultLogger('WARN', (line) => lines.push(line));
  const complete = async (): Promise<void> => {
    throw new Error('not now');
  };
  await goOn(async () => 'held', { complete }, logger);
  await expect.poll(() => lines).toHaveLength(1);
  const { WorkflowID, RunID } = (await audited()).batch;
  expect(lines[0]!.message).toBe('Temporal could not be told how an activity ended');
  expect(lines[0]!.meta).toMatchObject({ LogID: 1, WorkflowID, RunID });
});
