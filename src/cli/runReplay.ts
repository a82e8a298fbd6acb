import { randomUUID } from 'node:crypto';
import { Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Config } from '../config.js';
import type { ReplayBatchesInput, ReplayInput, ReplayOutcome, ReplayProgress } from '../domain/replay.js';
import { PROGRESS_QUERY } from '../domain/replay.js';
import { connectToTemporal } from './connect.js';
import { installRuntime } from './etlWorker.js';
import { loadDataConverter } from './userModules.js';

const LOOK_MS = 2_000;
/** So long a worker may take to begin, before people are told to look for one. */
const PATIENCE_MS = 10_000;

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

/** Says what it waits for, when that takes long. */
async function told<T>(workflowId: string, taskQueue: string, work: Promise<T>): Promise<T> {
  const hint = setTimeout(() => {
    process.stderr.write(
      `Still waiting for workflow ${workflowId}. A worker must run on task queue ${taskQueue}: batchtrail worker\n`,
    );
  }, PATIENCE_MS);
  return work.finally(() => clearTimeout(hint));
}

async function withClient<T>({ worker }: Config, work: (client: Client) => Promise<T>): Promise<T> {
  installRuntime({ level: 'WARN', gracefulShutdown: false });
  const dataConverter = await loadDataConverter(worker.dataConverter);
  const { connection, namespace } = await connectToTemporal();
  try {
    return await work(new Client({ connection, namespace, ...dataConverter }));
  } finally {
    await connection.close();
  }
}
