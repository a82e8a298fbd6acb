import assert from 'node:assert/strict';
import type { Ending } from '../ending.js';

const RETRIES = { retry: { initialInterval: '50ms', backoffCoefficient: 1, maximumAttempts: 3 } };

/** How the attempts of a step end. */
export const attempts: Ending[] = [
  {
    name: 'success',
    play: (scene) => scene.run('oneStep', [{ rows: 7 }]),
    expected: [{ status: 'Success', retries: '', events: ['step#1.1 start success'], alerts: [] }],
    check: ([only]) => {
      assert.equal(only!.batch.RowsProcessed, 7);
      assert.equal(only!.batch.ErrorMessage, null);
      assert.ok(String(only!.batch.StartTime) < String(only!.events[0]!.EventTime));
      assert.deepEqual(
        only!.events.map(({ Witness }) => Witness),
        ['both', 'both'],
      );
    },
  },
  {
    name: 'failure after retries',
    play: (scene) => scene.run('oneStep', [{ failures: 9 }, RETRIES]),
    expected: [
      {
        status: 'Error',
        retries: 'exhausted 2',
        events: ['step#1.1 start retry', 'step#1.2 start retry', 'step#1.3 start failure'],
        alerts: ['batch-failed open', 'step-failed open'],
      },
    ],
    check: ([only]) => {
      const { batch, events } = only!;
      assert.equal(batch.ErrorMessage, 'step: fault at attempt 3');
      assert.equal(batch.AlertTriggered, true);
      assert.equal(batch.Resolution, 'open');
      const ends = events.filter(({ EventType }) => EventType !== 'start');
      assert.deepEqual(
        ends.map(({ ErrorType, ErrorMessage }) => [ErrorType, ErrorMessage]),
        [1, 2, 3].map((attempt) => ['Fault', `fault at attempt ${attempt}`]),
      );
      assert.ok(ends.every(({ DurationMs }) => DurationMs !== null));
      assert.ok(ends.slice(0, 2).every(({ NextRetryTime, EventTime }) => NextRetryTime! > EventTime));
      assert.deepEqual(
        ends.map(({ AlertTriggered }) => AlertTriggered),
        [false, false, true],
      );
    },
  },
  {
    name: 'recovery after retries',
    play: (scene) => scene.run('oneStep', [{ failures: 2, rows: 3 }, RETRIES]),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 2',
        events: ['step#1.1 start retry', 'step#1.2 start retry', 'step#1.3 start success'],
        alerts: [],
      },
    ],
    check: ([only]) => assert.equal(only!.batch.RowsProcessed, 3),
  },
  {
    name: 'non-retryable failure',
    play: (scene) => scene.run('oneStep', [{ failures: 1, nonRetryable: true }]),
    expected: [
      {
        status: 'Error',
        retries: 'non-retryable',
        events: ['step#1.1 start failure'],
        alerts: ['batch-failed open', 'step-failed open'],
      },
    ],
  },
  {
    name: 'failure of a type the policy does not retry',
    play: (scene) =>
      scene.run('oneStep', [{ failures: 1 }, { retry: { nonRetryableErrorTypes: ['Fault'] } }]),
    expected: [
      {
        status: 'Error',
        retries: 'non-retryable',
        events: ['step#1.1 start failure'],
        alerts: ['batch-failed open', 'step-failed open'],
      },
    ],
  },
  {
    name: 'nextRetryDelay',
    play: (scene) => scene.run('oneStep', [{ failures: 1, nextRetryDelayMs: 700 }]),
    expected: [
      {
        status: 'Success',
        retries: 'recovered 1',
        events: ['step#1.1 start retry', 'step#1.2 start success'],
        alerts: [],
      },
    ],
    check: ([only]) => {
      const retry = only!.events.find(({ EventType }) => EventType === 'retry')!;
      const wait = Date.parse(String(retry.NextRetryTime)) - Date.parse(String(retry.EventTime));
      assert.ok(wait >= 650 && wait <= 700, `the next retry is ${wait} ms away, not 700`);
    },
  },
  {
    name: 'a step fails for good, the workflow goes on',
    play: (scene) => scene.run('tolerant'),
    expected: [
      {
        status: 'Success',
        retries: 'exhausted',
        events: ['step#1.1 start failure', 'step#2.1 start cancelled late', 'tolerated: warning'],
        alerts: ['step-failed open'],
      },
    ],
  },
];
