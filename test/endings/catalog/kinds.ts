import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import { activities, mend } from '../activities.js';
import type { Ending, Scene } from '../ending.js';
import { readBatches } from '../observe.js';

/** Kinds of steps, and looks that change nothing. */
export const kinds: Ending[] = [
  {
    name: 'local activities',
    play: (scene) => scene.run('localSteps', [{ failures: 1, rows: 2 }]),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        events: ['step#1.1 start success', 'step#2.1 start retry', 'step#2.2 start success'],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 3),
  },
  {
    name: 'async completion',
    async play(scene) {
      const handle = await scene.start('completedElsewhere');
      await scene.stepRuns();
      // Else the order of the two events would be open.
      if (scene.taskQueue === 'audited')
        await scene.until('the attempt has left its worker', () => hasLogLine(scene));
      const activityId = (await handle.describe()).raw.pendingActivities![0]!.activityId!;
      await scene.client.activity.complete(
        { workflowId: scene.workflowId, activityId },
        { rowsProcessed: 11 },
      );
      await scene.result();
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: ['completedElsewhere#1.1 start info success'],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 11),
  },
  {
    name: 'an activity id of the user, used twice',
    play: (scene) => scene.run('sameIdTwice'),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        events: [
          'step#load (step 1).1 start retry',
          'step#load (step 1).2 start success',
          'step#load (step 2).1 start success',
        ],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 42),
  },
  {
    name: 'an activity that is reset',
    async play(scene) {
      const input = { broken: scene.workflowId, nonRetryable: false, rows: 7 };
      const handle = await scene.start('oneStep', [
        input,
        { retry: { initialInterval: '300ms', backoffCoefficient: 100 } },
      ]);
      await scene.until('two attempts have failed', async () => {
        const { raw } = await handle.describe();
        return raw.pendingActivities?.some(({ attempt }) => attempt === 3);
      });
      mend(scene.workflowId);
      const execution = { workflowId: scene.workflowId };
      await scene.client.workflowService.resetActivity({ namespace: 'default', execution, id: '1' });
      await scene.result();
      return [scene.workflowId];
    },
    // Temporal counts from 1 again, so the second "attempt 1" stands where the first one stood.
    expected: [
      {
        status: 'Success',
        retries: '1',
        events: ['step#1.1 start success', 'step#1.2 start retry'],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 7),
  },
  {
    name: 'parallel activities',
    play: (scene) => scene.run('parallelSteps', [4]),
    expected: [
      {
        status: 'Success',
        retries: '',
        events: [1, 2, 3, 4].map((id) => `step#${id}.1 start success`),
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 4),
  },
  {
    name: 'an activity without a workflow',
    alone: true,
    async play(scene) {
      const plugin = scene.stage.plugin();
      const environment = new MockActivityEnvironment(
        {
          activityId: 'run-by-hand',
          scheduledTimestampMs: Date.now(),
          activityType: 'step',
          inWorkflow: false,
          workflowExecution: undefined as never,
        },
        { interceptors: [plugin.activityInterceptor] },
      );
      await environment.run(activities.step, { rows: 6 });
      await plugin.close();
      return ['run-by-hand'];
    },
    expected: [
      { status: 'Success', retries: '', events: ['step#run-by-hand (step 1).1 start success'], alerts: [] },
    ],
    check: ([only]) => {
      assert.equal(only!.batch.PipelineName, 'step');
      assert.equal(only!.batch.RowsProcessed, 6);
    },
  },
  {
    name: 'a query of a closed run',
    async play(scene) {
      await scene.run('threeSteps');
      const handle = scene.client.workflow.getHandle(scene.workflowId);
      const before = await scene
        .until('the batch is closed', async () => {
          if (scene.taskQueue === 'plain') return '';
          const [only] = await readBatches(scene.stage.reader, scene.workflowId);
          return only?.runs[0]?.CertifiedAt != null && JSON.stringify(only);
        })
        .catch(() => '');
      assert.equal(await handle.query('progress'), 3);
      if (scene.taskQueue === 'audited') {
        const [after] = await readBatches(scene.stage.reader, scene.workflowId);
        assert.equal(JSON.stringify(after), before);
      }
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Success',
        retries: '',
        events: ['done: info', 'step#1.1 start success', 'step#2.1 start success', 'step#3.1 start success'],
        alerts: [],
      },
    ],
  },
];

async function hasLogLine({ stage, workflowId }: Scene): Promise<boolean> {
  const [record] = await readBatches(stage.reader, workflowId);
  return record?.events.some(({ EventType }) => EventType === 'info') ?? false;
}
