import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { activities } from '../activities.js';
import type { Ending, Scene } from '../ending.js';
import { readBatches } from '../observe.js';
import { EVENT, workflowsPath } from '../stage.js';

const HALVES = ['step#1.1 start success', 'step#2.1 start success'];

/** The plugin switched on and off, given twice, forgotten, and beside other people's interceptors. */
export const plugin: Ending[] = [
  {
    name: 'switched on while the run is in flight',
    alone: true,
    async play(scene) {
      const taskQueue = randomUUID();
      const without = await scene.stage.startPlain(taskQueue);
      const run = await startHalves(scene, taskQueue);
      await without();
      const audited = await scene.stage.startAudited(taskQueue);
      await run.signal('proceed');
      await run.result();
      await audited();
      await replaysBothWays(scene);
      return [scene.workflowId];
    },
    // The first step was done when nobody watched: history is its only witness.
    expected: [{ status: 'Success', retries: '', events: HALVES, alerts: [] }],
    check: ([only]) =>
      assert.deepEqual(
        only!.events.map(({ Witness }) => Witness),
        ['history', 'history', 'both', 'both'],
      ),
  },
  {
    name: 'switched off while the run is in flight',
    alone: true,
    async play(scene) {
      const taskQueue = randomUUID();
      const audited = await scene.stage.startAudited(taskQueue);
      const run = await startHalves(scene, taskQueue);
      await audited();
      const without = await scene.stage.startPlain(taskQueue);
      await run.signal('proceed');
      await run.result();
      await without();
      await replaysBothWays(scene);
      return [scene.workflowId];
    },
    // The stage's own audited worker closes it, from history.
    expected: [{ status: 'Success', retries: '', events: HALVES, alerts: [] }],
  },
  {
    name: 'the history is the same, event for event',
    alone: true,
    async play({ stage }) {
      const typesOf = async (taskQueue: 'audited' | 'plain'): Promise<string[]> => {
        const scene = stage.scene('same history', taskQueue);
        await scene.run('threeSteps');
        return (await scene.history()).map(({ type }) => type);
      };
      assert.deepEqual(await typesOf('audited'), await typesOf('plain'));
      return [];
    },
    expected: [],
  },
  {
    name: 'the plugin on the connection and on the worker',
    alone: true,
    async play(scene) {
      const plugins = [scene.stage.plugin()];
      const connection = await NativeConnection.connect({ address: scene.stage.address, plugins });
      const taskQueue = randomUUID();
      const worker = await Worker.create({ connection, taskQueue, workflowsPath, activities, plugins });
      await worker.runUntil(
        scene.client.workflow.execute('oneStep', { taskQueue, workflowId: scene.workflowId }),
      );
      await connection.close();
      return [scene.workflowId];
    },
    expected: [{ status: 'Success', retries: '', events: ['step#1.1 start success'], alerts: [] }],
  },
  {
    name: 'two plugins, or a bundle without it: a clear error',
    alone: true,
    async play(scene) {
      const { connection } = scene.stage;
      const worker = { connection, taskQueue: randomUUID(), activities };
      await assert.rejects(
        Worker.create({ ...worker, workflowsPath, plugins: [scene.stage.plugin(), scene.stage.plugin()] }),
        /second BatchtrailPlugin/,
      );
      const { logger } = Runtime.instance();
      const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger });
      await assert.rejects(
        Worker.create({ ...worker, workflowBundle, plugins: [scene.stage.plugin()] }),
        /workflowBundle was built without the BatchtrailPlugin/,
      );
      return [];
    },
    expected: [],
  },
  ...[true, false].map((reuseV8Context): Ending => ({
    name: `a user's own interceptors and sinks, reuseV8Context ${reuseV8Context}`,
    alone: true,
    async play(scene) {
      const seen: string[] = [];
      const taskQueue = randomUUID();
      const shutDown = await scene.stage.startWorker({
        taskQueue,
        workflowsPath,
        reuseV8Context,
        plugins: [scene.stage.plugin()],
        sinks: { mine: { saw: { fn: (_info: unknown, what: string) => void seen.push(`sink ${what}`) } } },
        interceptors: {
          activity: [
            () => ({
              inbound: {
                execute: (input, next) => {
                  seen.push('activity interceptor');
                  return next(input);
                },
              },
            }),
          ],
          activityInbound: [
            () => ({
              execute: (input, next) => {
                seen.push('activityInbound interceptor');
                return next(input);
              },
            }),
          ],
          workflowModules: [fileURLToPath(new URL('../userInterceptors.ts', import.meta.url))],
        },
      });
      await scene.client.workflow.execute('oneStep', { taskQueue, workflowId: scene.workflowId });
      await shutDown();
      assert.deepEqual(seen.sort(), ['activity interceptor', 'activityInbound interceptor', 'sink oneStep']);
      return [scene.workflowId];
    },
    expected: [{ status: 'Success', retries: '', events: ['step#1.1 start success'], alerts: [] }],
  })),
  {
    name: 'a row is closed within a second of the run',
    alone: true,
    async play(scene) {
      const cases = { 'its end': 'oneStep', 'a termination': 'sleeping' };
      for (const [name, workflow] of Object.entries(cases)) {
        // A machine that others use, too, stands still for a moment now and then: the one in the middle counts.
        const times: number[] = [];
        for (let run = 0; run < 5; run++) {
          times.push(await closingTime(scene, workflow, `${scene.workflowId}-${workflow}-${run}`));
        }
        const [, , middle] = times.sort((a, b) => a - b);
        assert.ok(middle! < 1_000, `closed ${times.join(', ')} ms after ${name}`);
      }
      return Object.values(cases).map((workflow) => `${scene.workflowId}-${workflow}-0`);
    },
    expected: [
      { status: 'Success', retries: '', events: ['step#1.1 start success'], alerts: [] },
      { status: 'Terminated', retries: '', events: [], alerts: ['batch-failed open'] },
    ],
  },
];

/** Between a run's end, or its termination, and its row's. */
async function closingTime(scene: Scene, workflow: string, workflowId: string): Promise<number> {
  const handle = await scene.client.workflow.start(workflow, { taskQueue: 'audited', workflowId });
  const row = async () => (await readBatches(scene.stage.reader, workflowId))[0]?.batch;
  await scene.until('the row is open', async () => (await row()) !== undefined);
  if (workflow === 'sleeping') await handle.terminate();
  await handle.result().catch(() => undefined);
  const ended = Date.now();
  await scene.until('the row is closed', async () => (await row())?.Status !== 'Running');
  return Date.now() - ended;
}

/** Starts a run, and answers when its first step is done and it waits for a signal. */
async function startHalves(scene: Scene, taskQueue: string) {
  const { workflowId, client } = scene;
  const run = await client.workflow.start('twoHalves', { taskQueue, workflowId });
  await scene.happened(EVENT.workflowTaskCompleted, 2);
  return run;
}

/** The history replays with the plugin and without it, whoever wrote it. */
async function replaysBothWays({ client, workflowId, stage }: Scene): Promise<void> {
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  await Worker.runReplayHistory({ workflowsPath }, history, workflowId);
  await Worker.runReplayHistory({ workflowsPath, plugins: [stage.plugin()] }, history, workflowId);
}
