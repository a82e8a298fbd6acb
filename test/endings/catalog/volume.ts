import assert from 'node:assert/strict';
import type { Ending } from '../ending.js';

const RUNS = 200;
const AT_ONCE = 50;

export const volume: Ending[] = [
  {
    name: `${RUNS} runs of 5 steps, ${AT_ONCE} at once`,
    alone: true,
    async play({ client, workflowId, taskQueue }) {
      const ids = Array.from({ length: RUNS }, (_, index) => `${workflowId}-${index}`);
      const queue = [...ids];
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let id = queue.shift(); id; id = queue.shift()) {
            await client.workflow.execute('fiveSteps', { taskQueue, workflowId: id });
          }
        }),
      );
      return ids;
    },
    expected: Array.from({ length: RUNS }, () => ({
      status: 'Success',
      retries: '',
      events: [1, 2, 3, 4, 5].map((id) => `step#${id}.1 start success`),
      alerts: [],
    })),
    check: (batches) => {
      assert.equal(batches.length, RUNS);
      assert.equal(new Set(batches.map(({ batch }) => batch.LogID)).size, RUNS);
      assert.equal(
        new Set(batches.flatMap(({ events }) => events.map(({ EventID }) => EventID))).size,
        RUNS * 10,
      );
      assert.ok(batches.every(({ batch }) => batch.RowsProcessed === 5));
    },
  },
];
