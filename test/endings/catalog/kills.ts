import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { typeScriptArguments } from '../../../src/ownScript.js';
import { activities } from '../activities.js';
import type { Ending, Scene } from '../ending.js';
import type { KillPoint, WorkerSettings } from '../killableWorker.js';
import { workflowsPath } from '../stage.js';

const STEP_OPTIONS = { startToCloseTimeout: '3s', retry: { initialInterval: '50ms', maximumAttempts: 3 } };
const ONE_STEP = { status: 'Success', retries: '', events: ['step#1.1 start success'], alerts: [] };

/** Workers that die at the worst moment, and workers that share the work. */
export const kills: Ending[] = [
  {
    name: 'SIGKILL inside the opening sink',
    alone: true,
    play: (scene) => surviving(scene, 'opening'),
    expected: [ONE_STEP],
  },
  {
    name: 'SIGKILL inside an activity',
    alone: true,
    play: (scene) => surviving(scene, 'activity'),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        events: ['step#1.1 start lost', 'step#1.2 start success'],
        alerts: [],
      },
    ],
  },
  {
    name: "SIGKILL between an activity's event and its completion",
    alone: true,
    play: (scene) => surviving(scene, 'reported'),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        // Its success was written, but never reached Temporal, which tried again.
        events: ['step#1.1 start success late', 'step#1.2 start success'],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 2, 'the lost success does not count'),
  },
  {
    name: 'SIGKILL inside the closing sink',
    alone: true,
    play: (scene) => surviving(scene, 'closing'),
    expected: [ONE_STEP],
  },
  {
    name: 'two workers on one queue',
    alone: true,
    async play(scene) {
      const taskQueue = randomUUID();
      const workers = [startProcess(scene, taskQueue, 'never'), startProcess(scene, taskQueue, 'never')];
      const runs = Array.from({ length: 10 }, (_, index) => `${scene.workflowId}-${index}`);
      await Promise.all(
        runs.map((workflowId) => scene.client.workflow.execute('fiveSteps', { taskQueue, workflowId })),
      );
      await Promise.all(workers.map((worker) => worker.stop()));
      return runs;
    },
    expected: Array.from({ length: 10 }, () => ({
      status: 'Success',
      retries: '',
      events: [1, 2, 3, 4, 5].map((id) => `step#${id}.1 start success`),
      alerts: [],
    })),
  },
  {
    name: 'an activity-only worker beside a workflow worker without the plugin',
    alone: true,
    async play(scene) {
      const taskQueue = randomUUID();
      const stop = [
        await scene.stage.startWorker({ taskQueue, workflowsPath, activities: {} }),
        await scene.stage.startWorker({ taskQueue, activities, plugins: [scene.stage.plugin()] }),
      ];
      const { workflowId } = scene;
      await scene.client.workflow.execute('oneStep', {
        taskQueue,
        workflowId,
        args: [{ pipeline: 'By_Hand' }],
      });
      await Promise.all(stop.map((shutDown) => shutDown()));
      return [workflowId];
    },
    expected: [ONE_STEP],
    check: ([only]) => assert.equal(only!.batch.PipelineName, 'By_Hand'),
  },
];

/** Starts a run, lets its worker die at the given point, and has a second one finish it. */
async function surviving(scene: Scene, killAt: KillPoint): Promise<string[]> {
  const taskQueue = randomUUID();
  const first = startProcess(scene, taskQueue, killAt);
  const run = await scene.client.workflow.start('oneStep', {
    taskQueue,
    workflowId: scene.workflowId,
    args: [{ rows: 2 }, STEP_OPTIONS],
    workflowTaskTimeout: '2s',
  });
  assert.equal(await first.exited, 'SIGKILL');
  const second = startProcess(scene, taskQueue, 'never');
  try {
    await run.result();
  } finally {
    await second.stop();
  }
  return [scene.workflowId];
}

/** A worker in a process of its own. */
function startProcess({ stage }: Scene, taskQueue: string, killAt: KillPoint) {
  const settings: WorkerSettings = {
    address: stage.address,
    taskQueue,
    auditUrl: stage.auditUrl,
    bundleFile: stage.bundleFile,
    killAt,
  };
  const script = fileURLToPath(new URL('../killableWorker.ts', import.meta.url));
  const child = spawn(process.execPath, [...typeScriptArguments(), script, JSON.stringify(settings)], {
    stdio: 'ignore',
  });
  const exited = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('exit', (_, signal) => resolve(signal)),
  );
  const stop = (): Promise<unknown> => {
    child.kill('SIGTERM');
    return exited;
  };
  return { exited, stop };
}
