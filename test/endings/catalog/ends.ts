import assert from 'node:assert/strict';
import type { Ending } from '../ending.js';
import { EVENT } from '../stage.js';

const BATCH_ALERT = ['batch-failed open'];
const BOTH_ALERTS = ['batch-failed open', 'step-failed open'];
const ONCE = { retry: { maximumAttempts: 1 } };

/** How a run ends from outside or by a timeout. */
export const ends: Ending[] = [
  {
    name: 'cancelled, the step is not waited for',
    async play(scene) {
      const handle = await scene.start('untilCancelled', ['TRY_CANCEL']);
      await scene.stepRuns();
      await handle.cancel();
      await scene.result();
      return [scene.workflowId];
    },
    expected: [
      { status: 'Cancelled', retries: '', events: ['untilCancelled#1.1 start cancelled late'], alerts: [] },
    ],
    check: ([only]) => assert.equal(only!.batch.Resolution, null),
  },
  {
    name: 'cancelled, WAIT_CANCELLATION_COMPLETED',
    async play(scene) {
      const handle = await scene.start('untilCancelled', ['WAIT_CANCELLATION_COMPLETED']);
      await scene.stepRuns();
      await handle.cancel();
      await scene.result();
      return [scene.workflowId];
    },
    expected: [
      { status: 'Cancelled', retries: '', events: ['untilCancelled#1.1 start cancelled'], alerts: [] },
    ],
  },
  {
    name: 'terminated while a step runs',
    async play(scene) {
      const handle = await scene.start('untilCancelled', ['TRY_CANCEL']);
      await scene.stepRuns();
      await handle.terminate('no longer needed');
      return [scene.workflowId];
    },
    expected: [
      {
        status: 'Terminated',
        retries: '',
        events: ['untilCancelled#1.1 start cancelled late'],
        alerts: BATCH_ALERT,
      },
    ],
    check: ([only]) => {
      assert.match(String(only!.batch.ErrorMessage), /^Terminated by .+: no longer needed$/);
      assert.equal(only!.batch.Resolution, 'open');
    },
  },
  {
    name: 'workflow timeout',
    play: (scene) => scene.run('sleeping', [], { workflowExecutionTimeout: '1s' }),
    expected: [{ status: 'TimedOut', retries: '', events: [], alerts: BATCH_ALERT }],
  },
  {
    name: 'start-to-close timeout, then recovery',
    play: (scene) =>
      scene.run('oneStep', [
        { slow: { attempts: 1, ms: 3_000 } },
        { startToCloseTimeout: '1s', retry: { initialInterval: '50ms', maximumAttempts: 2 } },
      ]),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        // The first attempt still runs when Temporal has given it up, and reports later.
        events: ['step#1.1 start success late', 'step#1.2 start success'],
        alerts: [],
      },
    ],
  },
  {
    name: 'start-to-close timeout of the last attempt',
    play: (scene) =>
      scene.run('oneStep', [{ slow: { attempts: 1, ms: 2_500 } }, { startToCloseTimeout: '1s', ...ONCE }]),
    expected: [
      { status: 'Error', retries: 'exhausted', events: ['step#1.1 start failure'], alerts: BOTH_ALERTS },
    ],
    check: ([only]) => assert.match(String(only!.batch.ErrorMessage), /StartToClose timeout/i),
  },
  {
    name: 'schedule-to-close timeout while retrying',
    play: (scene) =>
      scene.run('oneStep', [
        { failures: 9 },
        { scheduleToCloseTimeout: '2s', retry: { initialInterval: '1200ms', backoffCoefficient: 1 } },
      ]),
    expected: [
      {
        status: 'Error',
        retries: 'exhausted 1',
        events: ['step#1.1 start retry', 'step#1.2 start failure'],
        alerts: BOTH_ALERTS,
      },
    ],
  },
  {
    name: 'schedule-to-start timeout',
    play: (scene) =>
      scene.run('oneStep', [
        {},
        { taskQueue: 'nobody-polls-here', scheduleToStartTimeout: '500ms', ...ONCE },
      ]),
    expected: [
      { status: 'Error', retries: 'non-retryable', events: ['step#1.1 failure'], alerts: BOTH_ALERTS },
    ],
    check: ([only]) => assert.equal(only!.events[0]!.Witness, 'history'),
  },
  {
    name: 'heartbeat timeout',
    play: (scene) =>
      scene.run('oneStep', [{ slow: { attempts: 1, ms: 2_500 } }, { heartbeatTimeout: '500ms', ...ONCE }]),
    expected: [
      { status: 'Error', retries: 'exhausted', events: ['step#1.1 start failure'], alerts: BOTH_ALERTS },
    ],
    check: ([only]) => assert.match(String(only!.batch.ErrorMessage), /Heartbeat timeout/i),
  },
  {
    name: 'a TypeError in workflow code',
    async play(scene) {
      await scene.start('programmingError');
      await scene.happened(EVENT.workflowTaskFailed, 1);
      return [scene.workflowId];
    },
    expected: [{ status: 'Running', retries: '', events: [], alerts: [] }],
    check: ([only]) => assert.match(String(only!.batch.ErrorMessage), /^TypeError: Cannot read prop/),
    after: (scene) => scene.client.workflow.getHandle(scene.workflowId).terminate('the test is over'),
  },
];
