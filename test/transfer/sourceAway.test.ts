/** A source of which no snapshot can be opened: how often that is tried, and what the run says in the end. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { BadConfig, Unreachable } from '../../src/domain/errors.js';
import { connectClient, connectWorker } from '../support/temporal.js';
import { OWN_PLACES, WORKFLOWS } from './rig.js';

const TIMERS = fileURLToPath(new URL('./shortTimers.ts', import.meta.url));

it.each([
  { problem: new Unreachable('db.example: connect ECONNREFUSED'), times: 10 },
  { problem: new BadConfig('db.example: password authentication failed'), times: 1 },
])(
  '$problem.name ends the run with what the source said, after $times attempts',
  async ({ problem, times }) => {
    let opened = 0;
    const activities = {
      prepareTransfer: async () => ({ sharesSnapshots: true, compresses: false }),
      async holdSnapshot() {
        opened++;
        throw problem;
      },
    };
    const [client, connection] = [await connectClient(), await connectWorker()];
    const taskQueue = `away-${randomUUID()}`;
    const worker = await Worker.create({
      ...{ connection, taskQueue, workflowsPath: WORKFLOWS, activities },
      interceptors: { workflowModules: [TIMERS] },
    });
    const input = { ...OWN_PLACES, tables: [{ from: 'app.t', to: 'dwh.t' }], mode: 'append' };
    const error: unknown = await worker.runUntil(
      client.workflow
        .execute('historicalTransfer', { taskQueue, workflowId: taskQueue, args: [input] })
        .catch((reason: unknown) => reason),
    );
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect(error).toMatchObject({
      cause: { activityType: 'holdSnapshot', cause: { type: problem.name, message: problem.message } },
    });
    expect(opened).toBe(times);
    await connection.close();
    await client.connection.close();
  },
);
