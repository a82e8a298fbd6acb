/** Runs that no worker with the plugin ever saw. */
import { randomUUID } from 'node:crypto';
import { temporal } from '@temporalio/proto';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import type { RunKey } from '../../src/audit/temporalReader.js';
import { activities } from '../endings/activities.js';
import { observe } from '../endings/observe.js';
import { AuditedQueue } from './auditedQueue.js';

// Most of the time each waits for a look that comes every 15 s.
const onQueue = it.extend<{ queue: AuditedQueue }>({
  queue: async ({}, use) => {
    const queue = await AuditedQueue.open();
    await use(queue);
    await queue.close();
  },
}).concurrent;

/** Closed before any worker could have taken it. */
async function terminatedEarly(queue: AuditedQueue): Promise<WorkflowHandle> {
  const handle = await queue.start('oneStep', [], { startDelay: '1h' });
  await handle.terminate('not needed');
  return handle;
}

/** How many batches there are, when all of them hold. */
async function verified(queue: AuditedQueue): Promise<number> {
  const { ok, batches, missing, chain } = await queue.verify();
  expect({
    ok,
    missing,
    findings: [...chain.findings, ...batches.flatMap(({ findings }) => findings)],
  }).toEqual({
    ok: true,
    missing: [],
    findings: [],
  });
  return batches.length;
}

onQueue(
  'a worker finds what was terminated or timed out before its first task',
  async ({ queue, expect }) => {
    await queue.audited(async () => {
      const terminated = await terminatedEarly(queue);
      const timedOut = await queue.run('oneStep', [], {
        startDelay: '1h',
        workflowExecutionTimeout: '100ms',
      });
      for (const [handle, status] of [
        [terminated, 'Terminated'],
        [timedOut, 'TimedOut'],
      ] as const) {
        const statusNow = async (): Promise<unknown> => (await queue.batchesOf(handle))[0]?.batch.Status;
        await expect.poll(statusNow).toBe(status);
      }
    });
    expect(await verified(queue)).toBe(2);
  },
);

onQueue('a worker finds what ran while the plugin was off', async ({ queue, expect }) => {
  await queue.audited(() => queue.run('oneStep'));
  const meanwhile = await queue.plain(() => queue.run('oneStep', [{ rows: 3 }]));
  await queue.audited(async () => {
    const found = async (): Promise<number> => (await queue.batchesOf(meanwhile)).length;
    await expect.poll(found).toBe(1);
  });
  const [batch] = await queue.batchesOf(meanwhile);
  expect(observe(batch!)).toEqual({
    status: 'Success',
    retries: '',
    events: ['step#1.1 start success'],
    alerts: [],
  });
  expect(batch!.events.map(({ Witness }) => Witness)).toEqual(['history', 'history']);
  expect(batch!.runs).toMatchObject([{ GapCount: 2, Status: 'Success' }]);
  expect(batch!.runs[0]!.HistoryHash).toMatch(/^[0-9a-f]{64}$/);
});

onQueue('reconcile does it at once, and closes what was left running', async ({ queue, expect }) => {
  const left = await queue.audited(() =>
    queue.start('sleeping').then(async (handle) => {
      await expect.poll(async () => (await queue.batchesOf(handle).catch(() => [])).length).toBe(1);
      return handle;
    }),
  );
  await left.terminate('enough');
  const unseen = await terminatedEarly(queue);
  const closed = `TaskQueue = '${queue.taskQueue}'`;
  await expect
    .poll(() =>
      queue.temporal
        .closed(closed)
        .next()
        .then(({ value }) => (value as unknown[]).length),
    )
    .toBe(2);
  const { stdout, stderr } = await queue.cli('reconcile', '--since', '1h');
  expect(stdout, stderr).toMatch(/^2 closed runs .*: 1 had no batch and have one now; 1 more certified/);
  expect(await queue.batchesOf(unseen)).toHaveLength(1);
  expect((await queue.batchesOf(left))[0]!.batch).toMatchObject({ Status: 'Terminated', Resolution: 'open' });
  expect(await verified(queue)).toBe(2);
});

onQueue(
  'reconcile closes a row whose run Temporal has forgotten, and verify calls it a gap',
  async ({ queue, expect }) => {
    const handle = await queue.audited(async () => {
      const started = await queue.start('sleeping');
      await expect.poll(async () => (await queue.batchesOf(started).catch(() => [])).length).toBe(1);
      return started;
    });
    const { runId } = await handle.describe();
    await queue.client.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: handle.workflowId, runId },
    });
    const known = () => queue.temporal.knows({ WorkflowID: handle.workflowId, RunID: runId });
    await expect.poll(known).toBe(false);
    const shown = async () =>
      (await queue.temporal.shown([{ WorkflowID: handle.workflowId, RunID: runId }])).size;
    await expect.poll(shown).toBe(0);
    // A run that began just now might only not be shown yet.
    queue.sql((db) => db.exec("UPDATE PipelineRun SET StartTime = '2026-01-01T00:00:00.000Z'"));
    const { stdout, stderr } = await queue.cli('reconcile');
    expect(stdout, stderr).toMatch(/1 can't be certified/);
    expect(stderr).toContain(runId);
    expect((await queue.batchesOf(handle))[0]!.batch).toMatchObject({
      Status: 'TimedOut',
      Resolution: 'open',
    });
    expect((await queue.cli('reconcile')).stdout).not.toMatch(/can't be certified/);
    const { batches } = await queue.verify();
    expect(batches.map(({ verdict }) => verdict)).toEqual(['gap']);
  },
);

onQueue('verify names a run that has no batch', async ({ queue, expect }) => {
  await queue.audited(() => queue.run('oneStep'));
  const unseen = await terminatedEarly(queue);
  // Visibility shows it a little later.
  const missing = async (): Promise<string[]> =>
    (await queue.verify()).missing.map(({ WorkflowID }) => WorkflowID);
  await expect.poll(missing).toEqual([unseen.workflowId]);
  const { code, stdout } = await queue.cli('verify');
  expect(code).toBe(1);
  expect(stdout).toContain(`workflow ${unseen.workflowId}`);
});

onQueue(
  'backfill makes the batches of runs from before the plugin, with their links, and once only',
  async ({ queue, expect }) => {
    const [parent, failing] = await queue.plain(async () => [
      await queue.run('parent'),
      await queue.run('failingFirst', [], { retry: { initialInterval: '50ms', maximumAttempts: 2 } }),
      await queue.run('continuing', [2]),
    ]);
    const args = ['backfill', '--since', '1h'] as const;
    await expect.poll(async () => (await queue.cli(...args)).stdout).toMatch(/^6 closed runs/);
    expect((await queue.cli(...args)).stdout).toMatch(/: 0 had no batch/);
    const [own] = await queue.batchesOf(parent);
    const [child] = (await queue.batchesOf(parent)).slice(1);
    expect([own!.batch.Status, child!.batch.ParentLogID]).toEqual(['Success', own!.batch.LogID]);
    const tries = (await queue.batchesOf(failing)).map(({ batch }) => [batch.Status, batch.Resolution]);
    expect(tries).toEqual([
      ['Error', 'superseded'],
      ['Success', null],
    ]);
    expect(await verified(queue)).toBe(6);
  },
);

onQueue('backfill takes a query instead of the task queue', async ({ queue, expect }) => {
  await queue.plain(async () => {
    await queue.run('oneStep');
    await queue.run('threeSteps');
  });
  const query = `TaskQueue = '${queue.taskQueue}' AND WorkflowType = 'threeSteps'`;
  await expect
    .poll(async () => (await queue.cli('backfill', '--since', '1h', '--query', query)).stdout, {
      timeout: 30_000,
    })
    .toMatch(/^1 closed runs/);
  const { batches } = JSON.parse((await queue.cli('verify', '--json')).stdout) as { batches: unknown[] };
  expect(batches).toHaveLength(1);
  const wrong = await queue.cli('backfill', '--since', '1h', '--query', 'Nonsense = = 1');
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/query/i);
});

/** To before the end of one of its workflow tasks. Answers the run that this makes. */
async function reset({ client }: AuditedQueue, handle: WorkflowHandle, task: number): Promise<string> {
  const { workflowId } = handle;
  const base = (await handle.describe()).runId;
  const { events } = await handle.fetchHistory();
  const done = (events ?? []).filter(({ eventType }) => Number(eventType) === 7);
  const { runId } = await client.workflowService.resetWorkflowExecution(
    temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
      namespace: 'default',
      workflowExecution: { workflowId, runId: base },
      workflowTaskFinishEventId: done[task - 1]!.eventId,
      requestId: randomUUID(),
      reason: 'test',
    }),
  );
  return runId;
}

onQueue('a reset run brings its base run with it, and the steps that it kept', async ({ queue, expect }) => {
  const handle = await queue.plain(() => queue.run('threeSteps'));
  await queue.audited(async () => {
    await queue.client.workflow.getHandle(handle.workflowId, await reset(queue, handle, 3)).result();
    await queue.certified();
  });
  const [batch, ...others] = await queue.batchesOf(handle);
  expect(others).toEqual([]);
  const [base, next, ...more] = batch!.runs;
  expect(more).toEqual([]);
  // The reset run repeats the start of its base run, which had ended.
  expect(next!.StartTime > base!.EndTime!).toBe(true);
  expect(batch!.batch).toMatchObject({ Status: 'Success', RowsProcessed: 30 });
  expect(await verified(queue)).toBe(1);
});

/** By each way to learn when a run began: its start and its description, and its history. */
async function expectInOrder(
  { temporal }: AuditedQueue,
  { workflowId: WorkflowID }: WorkflowHandle,
  runIDs: readonly string[],
): Promise<void> {
  for (const read of [
    (run: RunKey) => temporal.start(run),
    async (run: RunKey) => (await temporal.history(run)).start,
  ]) {
    const starts = await Promise.all(runIDs.map((RunID) => read({ WorkflowID, RunID })));
    const times = starts.map(({ RunStartTime }) => RunStartTime);
    expect([new Set(times).size, times]).toEqual([runIDs.length, times.toSorted()]);
  }
}

onQueue('of runs that are reset twice at once, the batch shows the last', async ({ queue, expect }) => {
  await queue.audited(async () => {
    const runs = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { workflowId } = await queue.start('twoHalves');
        const { workflow } = queue.client;
        const first = (await workflow.getHandle(workflowId).describe()).runId;
        const handle = workflow.getHandle(workflowId, first);
        await expect.poll(async () => (await queue.batchesOf(handle))[0]?.events.length).toBe(2);
        const between = await reset(queue, handle, 1);
        const last = await reset(queue, handle, 1);
        await workflow.getHandle(workflowId, last).signal('proceed');
        await workflow.getHandle(workflowId, last).result();
        return { handle, order: [first, between, last] };
      }),
    );
    for (const { handle, order } of runs) {
      await expectInOrder(queue, handle, order);
      const recorded = async () => (await queue.batchesOf(handle))[0]!;
      // No worker needs to have seen the run between.
      await expect
        .poll(async () => (await recorded()).runs.map(({ RunID }) => RunID), { timeout: 30_000 })
        .toEqual(order);
      await queue.certified();
      expect((await recorded()).batch).toMatchObject({ RunID: order.at(-1), Status: 'Success' });
    }
  });
  expect(await verified(queue)).toBe(10);
});

onQueue(
  'a step of a worker without the plugin, as one in another language is, is filled in',
  async ({ queue, expect }) => {
    const { connection, taskQueue } = queue;
    const steps = await Worker.create({ connection, taskQueue, activities });
    const handle = await queue.audited(
      () =>
        steps.runUntil(async () => {
          const ran = await queue.run('oneStep', [{ failures: 2 }]);
          await queue.certified();
          return ran;
        }),
      { activities: {} },
    );
    const [batch] = await queue.batchesOf(handle);
    expect(observe(batch!).events).toEqual([
      'step#1.1 start lost',
      'step#1.2 start retry',
      'step#1.3 start success',
    ]);
    expect(new Set(batch!.events.map(({ Witness }) => Witness))).toEqual(new Set(['history']));
    // Temporal keeps the failure of the attempt before the last one, and of none before that.
    expect(
      batch!.events.flatMap(({ ErrorType, ErrorMessage }) => (ErrorType ? [[ErrorType, ErrorMessage]] : [])),
    ).toEqual([['Fault', 'fault at attempt 2']]);
    expect(batch!.runs).toMatchObject([{ GapCount: 6 }]);
    expect(await verified(queue)).toBe(1);
  },
);
