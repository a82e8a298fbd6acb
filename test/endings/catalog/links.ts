import assert from 'node:assert/strict';
import type { Ending } from '../ending.js';

const STEP = ['step#1.1 start success'];
const SUCCESS = { status: 'Success', retries: '', events: STEP, alerts: [] };

/** Batches that follow from one another, and who started them. */
export const links: Ending[] = [
  {
    name: 'continue-as-new',
    play: (scene) => scene.run('continuing', [3]),
    expected: [{ ...SUCCESS, status: 'Continued' }, { ...SUCCESS, status: 'Continued' }, SUCCESS],
    check: (batches) => {
      const [first, second, third] = batches.map(({ batch }) => batch);
      assert.equal(first!.PreviousLogID, null);
      assert.equal(second!.PreviousLogID, first!.LogID);
      assert.equal(third!.PreviousLogID, second!.LogID);
    },
  },
  {
    name: 'child workflow',
    async play(scene) {
      await scene.run('parent');
      return [scene.workflowId, `${scene.workflowId}-child`];
    },
    expected: [{ ...SUCCESS, events: [] }, SUCCESS],
    check: ([parent, child]) => assert.equal(child!.batch.ParentLogID, parent!.batch.LogID),
  },
  {
    name: 'workflow retry policy',
    play: (scene) =>
      scene.run('failingFirst', [], { retry: { initialInterval: '100ms', maximumAttempts: 3 } }),
    expected: [
      {
        status: 'Error',
        retries: 'recovered',
        events: ['resolution: info', ...STEP],
        alerts: ['batch-failed resolved'],
      },
      SUCCESS,
    ],
    check: ([failed, retried]) => {
      assert.equal(retried!.batch.PreviousLogID, failed!.batch.LogID);
      assert.equal(failed!.batch.Resolution, 'superseded');
      assert.equal(failed!.batch.ResolvedByLogID, retried!.batch.LogID);
    },
  },
  {
    name: 'started by a Schedule',
    async play(scene) {
      const handle = await scene.client.schedule.create({
        scheduleId: scene.workflowId,
        spec: {},
        action: { type: 'startWorkflow', workflowType: 'oneStep', taskQueue: scene.taskQueue, args: [{}] },
      });
      await handle.trigger();
      const started = await scene.until('the schedule has fired', async () => {
        const { info } = await handle.describe();
        return info.recentActions[0]?.action;
      });
      await handle.delete();
      const { workflowId } = started.workflow;
      await scene.client.workflow.getHandle(workflowId).result();
      return [workflowId];
    },
    expected: [SUCCESS],
    check: ([only], scene) => {
      assert.equal(only!.batch.ScheduleID, scene.workflowId);
      assert.ok(Date.now() - Date.parse(String(only!.batch.ScheduledTime)) < 60_000);
    },
  },
  {
    name: 'started by the Temporal CLI',
    async play(scene) {
      const { workflowId, taskQueue } = scene;
      const input = JSON.stringify({ pipeline: 'From_The_CLI' });
      const where = ['--task-queue', taskQueue, '--workflow-id', workflowId];
      await scene.cli('workflow', 'start', '--type', 'oneStep', ...where, '--input', input);
      await scene.result();
      return [workflowId];
    },
    expected: [SUCCESS],
    check: ([only]) => {
      assert.equal(only!.batch.PipelineName, 'From_The_CLI');
      assert.match(String(only!.batch.RunByUser), /^\d+@|^temporal-cli:/);
    },
  },
];
