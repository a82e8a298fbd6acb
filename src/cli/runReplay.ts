import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Config } from '../config.js';
import type { ReplayBatchesInput, ReplayInput, ReplayOutcome, ReplayProgress } from '../domain/replay.js';
import { PROGRESS_QUERY } from '../domain/replay.js';
import { told, withClient } from './ownWorkflows.js';

const LOOK_MS = 2_000;

/** One after the other. */
export function replayAll(config: Config, inputs: readonly ReplayInput[]): Promise<ReplayProgress> {
  return withClient(config, async (client) => {
    const outcomes: ReplayOutcome[] = [];
    for (const input of inputs) outcomes.push(await replay(client, config.worker.taskQueue, input));
    return { total: inputs.length, outcomes };
  });
}

export function replayOpen(config: Config, input: ReplayBatchesInput): Promise<ReplayProgress> {
  return withClient(config, async (client) => {
    const { taskQueue } = config.worker;
    const workflowId = `replay-failed-${randomUUID()}`;
    const handle = await client.workflow.start('replayBatches', { taskQueue, workflowId, args: [input] });
    process.stderr.write(
      `Workflow ${workflowId}. To begin no more: temporal workflow signal --workflow-id ${workflowId} --name stop\n`,
    );
    const look = setInterval(() => {
      handle.query<ReplayProgress>(PROGRESS_QUERY).then(
        ({ total, outcomes }) => process.stderr.write(`${outcomes.length} of ${total} batches done\n`),
        // Nobody is there to answer yet.
        () => undefined,
      );
    }, LOOK_MS);
    try {
      return await told(workflowId, taskQueue, handle.result() as Promise<ReplayProgress>);
    } finally {
      clearInterval(look);
    }
  });
}

async function replay(client: Client, taskQueue: string, input: ReplayInput): Promise<ReplayOutcome> {
  const workflowId = `replay-${input.batchId}`;
  try {
    const replaying = client.workflow.execute<(input: ReplayInput) => Promise<ReplayOutcome>>('replayBatch', {
      ...{ taskQueue, workflowId, args: [input] },
    });
    return await told(workflowId, taskQueue, replaying);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return { batchId: input.batchId, refused: `It is being replayed already: workflow ${workflowId}` };
  }
}
