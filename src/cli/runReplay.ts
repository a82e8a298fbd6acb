import { Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Config } from '../config.js';
import type { ReplayInput, ReplayOutcome } from '../domain/replay.js';
import { connectToTemporal } from './connect.js';
import { installRuntime } from './etlWorker.js';
import { loadDataConverter } from './userModules.js';

/** So long a worker may take to begin, before people are told to look for one. */
const PATIENCE_MS = 10_000;

/** One after the other: each outcome when it is known. */
export async function* replayAll(
  { worker }: Config,
  inputs: readonly ReplayInput[],
): AsyncGenerator<ReplayOutcome> {
  installRuntime({ level: 'WARN', gracefulShutdown: false });
  const dataConverter = await loadDataConverter(worker.dataConverter);
  const { connection, namespace } = await connectToTemporal();
  try {
    const client = new Client({ connection, namespace, ...dataConverter });
    for (const input of inputs) yield await replay(client, worker.taskQueue, input);
  } finally {
    await connection.close();
  }
}

async function replay(client: Client, taskQueue: string, input: ReplayInput): Promise<ReplayOutcome> {
  const workflowId = `replay-${input.batchId}`;
  const hint = setTimeout(() => {
    process.stderr.write(
      `Still waiting for batch ${input.batchId} (workflow ${workflowId}). A worker must run on task queue ${taskQueue}: batchtrail worker\n`,
    );
  }, PATIENCE_MS);
  try {
    return await client.workflow.execute<(input: ReplayInput) => Promise<ReplayOutcome>>('replayBatch', {
      ...{ taskQueue, workflowId, args: [input] },
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return { batchId: input.batchId, refused: `It is being replayed already: workflow ${workflowId}` };
  } finally {
    clearTimeout(hint);
  }
}
