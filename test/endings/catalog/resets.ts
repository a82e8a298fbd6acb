import assert from 'node:assert/strict';
import { mend } from '../activities.js';
import type { Ending } from '../ending.js';
import type { BatchRecord } from '../../../src/domain/model.js';
import { EVENT } from '../stage.js';

/** A reset continues its batch under the same LogID; every run stays on record. */
export const resets: Ending[] = [
  {
    name: 'reset of a completed run to its first task',
    async play(scene) {
      await scene.run('threeSteps');
      await scene.result(await scene.reset(1));
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [
          'run1 done: info',
          'run1 step#1.1 start success',
          'run1 step#2.1 start success',
          'run1 step#3.1 start success',
          'run2 done: info',
          'run2 step#1.1 start success',
          'run2 step#2.1 start success',
          'run2 step#3.1 start success',
        ],
        alerts: [],
      },
    ],
    check: ([only]) => {
      runsAre(only!, ['start Success', 'reset Success']);
      assert.equal(only!.batch.RowsProcessed, 30, 'only the latest run counts');
    },
  },
  {
    name: 'reset of a completed run, two steps kept',
    async play(scene) {
      await scene.run('threeSteps');
      await scene.result(await scene.reset(3));
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [
          'run1 done: info',
          'run1 step#1.1 start success',
          'run1 step#2.1 start success',
          'run1 step#3.1 start success',
          'run2 done: info',
          'run2 step#3.1 start success',
        ],
        alerts: [],
      },
    ],
    check: ([only]) => {
      runsAre(only!, ['start Success', 'reset Success']);
      assert.equal(only!.batch.RowsProcessed, 30, 'two kept steps and the one done again');
    },
  },
  {
    name: 'reset of a failed run, which then succeeds',
    async play(scene) {
      const handle = await scene.start('twoHalves', [{ broken: scene.workflowId }]);
      await scene.happened(EVENT.workflowTaskCompleted, 2);
      await handle.signal('proceed');
      await scene.result();
      mend(scene.workflowId);
      // To before the task that scheduled the broken step; the signal is kept.
      await scene.result(await scene.reset(3));
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [
          'run1 step#1.1 start success',
          'run1 step#2.1 start failure',
          'run2 resolution: info',
          'run2 step#2.1 start success',
        ],
        alerts: ['batch-failed resolved', 'step-failed resolved'],
      },
    ],
    check: ([only]) => {
      runsAre(only!, ['start Error', 'reset Success']);
      assert.equal(only!.runs[0]!.ErrorMessage, 'step: broken');
      assert.equal(only!.batch.ErrorMessage, null);
      assert.equal(only!.batch.Resolution, 'replayed');
      assert.equal(only!.batch.ResolvedByLogID, only!.batch.LogID);
    },
  },
  {
    name: 'reset of a running run',
    async play(scene) {
      const handle = await scene.start('twoHalves');
      await scene.happened(EVENT.activityCompleted, 1);
      const second = await scene.reset(1);
      await scene.happened(EVENT.activityCompleted, 1);
      await scene.client.workflow.getHandle(handle.workflowId, second).signal('proceed');
      await scene.result(second);
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: ['run1 step#1.1 start success', 'run2 step#1.1 start success', 'run2 step#2.1 start success'],
        alerts: [],
      },
    ],
    check: ([only]) => {
      runsAre(only!, ['start Terminated', 'reset Success']);
      assert.equal(only!.batch.Resolution, null);
    },
  },
  {
    name: 'reset with a step pending at the reset point',
    async play(scene) {
      const handle = await scene.start('twoHalves', [{ slow: { attempts: 1, ms: 2_000 } }]);
      await scene.happened(EVENT.workflowTaskCompleted, 2);
      await handle.signal('proceed');
      await scene.stepRuns();
      // A task after the second step was scheduled: what is pending there is dispatched again, before the new run's
      // first task.
      await handle.signal('proceed');
      await scene.happened(EVENT.workflowTaskCompleted, 4);
      await scene.result(await scene.reset(4));
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [
          'run1 step#1.1 start success',
          'run1 step#2.1 start success late',
          'run2 step#2.1 start success',
        ],
        alerts: [],
      },
    ],
    check: ([only]) => runsAre(only!, ['start Terminated', 'reset Success']),
  },
  {
    name: 'reset of a reset',
    async play(scene) {
      await scene.run('threeSteps');
      const second = await scene.reset(2);
      await scene.result(second);
      await scene.result(await scene.reset(3, second));
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [
          'run1 done: info',
          'run1 step#1.1 start success',
          'run1 step#2.1 start success',
          'run1 step#3.1 start success',
          'run2 done: info',
          'run2 step#2.1 start success',
          'run2 step#3.1 start success',
          'run3 done: info',
          'run3 step#3.1 start success',
        ],
        alerts: [],
      },
    ],
    check: ([only]) => {
      runsAre(only!, ['start Success', 'reset Success', 'reset Success']);
      assert.equal(only!.batch.RowsProcessed, 30);
    },
  },
];

function runsAre({ batch, runs }: BatchRecord, expected: string[]): void {
  assert.deepEqual(
    runs.map(({ Reason, Status }) => `${Reason} ${Status}`),
    expected,
  );
  assert.equal(batch.RunID, runs.at(-1)!.RunID);
  assert.ok(runs.every(({ LogID }) => LogID === batch.LogID));
}
