import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { rootCause } from '@temporalio/common';
import type { Config } from '../config.js';
import type { ReplayBatchesInput, ReplayInput, ReplayOutcome, ReplayProgress } from '../domain/replay.js';
import { PROGRESS_QUERY, reasonText } from '../domain/replay.js';
import { withWaitingHint } from './waitingHint.js';
import type { ProgressReport } from './replayProgress.js';
import { withClient } from './temporalClient.js';

const LOOK_MS = 1_000;

/** One after the other. */
export function replayAll(
  config: Config,
  inputs: readonly ReplayInput[],
  report: ProgressReport,
): Promise<ReplayProgress> {
  return withClient(config, async (client) => {
    const outcomes: ReplayOutcome[] = [];
    const progress = { total: inputs.length, outcomes };
    try {
      for (const input of inputs) {
        report.show(progress);
        outcomes.push(await replay(client, config.worker.taskQueue, input));
      }
      report.show(progress);
    } finally {
      report.end();
    }
    return progress;
  });
}

export function replayOpen(
  config: Config,
  input: ReplayBatchesInput,
  report: ProgressReport,
): Promise<ReplayProgress> {
  return withClient(config, async (client) => {
    const { taskQueue } = config.worker;
    const workflowId = `replay-failed-${randomUUID()}`;
    const handle = await client.workflow.start('replayBatches', { taskQueue, workflowId, args: [input] });
    process.stderr.write(
      `Workflow ${workflowId}. To begin no more: temporal workflow signal --workflow-id ${workflowId} --name stop\n`,
    );
    let isOver = false;
    const look = setInterval(() => {
      handle.query<ReplayProgress>(PROGRESS_QUERY).then(
        (progress) => void (isOver || report.show(progress)),
        // Nobody is there to answer yet.
        () => undefined,
      );
    }, LOOK_MS);
    try {
      const progress = await withWaitingHint(
        workflowId,
        taskQueue,
        handle.result() as Promise<ReplayProgress>,
      );
      isOver = true;
      report.show(progress);
      return progress;
    } finally {
      isOver = true;
      clearInterval(look);
      report.end();
    }
  });
}

async function replay(client: Client, taskQueue: string, input: ReplayInput): Promise<ReplayOutcome> {
  const workflowId = `replay-${input.batchId}`;
  try {
    const replaying = client.workflow.execute<(input: ReplayInput) => Promise<ReplayOutcome>>('replayBatch', {
      ...{ taskQueue, workflowId, args: [input] },
    });
    return await withWaitingHint(workflowId, taskQueue, replaying);
  } catch (error) {
    const { batchId } = input;
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      return { batchId, refused: `It is being replayed already: workflow ${workflowId}` };
    }
    if (!(error instanceof WorkflowFailedError)) throw error;
    // That one could not be begun says nothing about those after it.
    const reason = reasonText(rootCause(error.cause) ?? error.message);
    return { batchId, refused: `Workflow ${workflowId} failed: ${reason}` };
  }
}
