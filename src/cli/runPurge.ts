import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Config } from '../config.js';
import { BadInput } from '../domain/errors.js';
import type { PurgeInput, PurgeResult } from '../domain/purge.js';
import { PURGE_WORKFLOW } from '../domain/purge.js';
import { withWaitingHint } from './waitingHint.js';
import { withClient } from './temporalClient.js';

export function purge(config: Config, input: PurgeInput): Promise<PurgeResult> {
  const { taskQueue } = config.worker;
  // Two at once would only get in each other's way.
  const workflowId = `purge-${taskQueue}`;
  return withClient(config, async (client) => {
    try {
      const purging = client.workflow.execute<(input: PurgeInput) => Promise<PurgeResult>>(PURGE_WORKFLOW, {
        ...{ taskQueue, workflowId, args: [input] },
      });
      return await withWaitingHint(workflowId, taskQueue, purging);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      throw new BadInput(
        `A purge runs already. To wait for it: temporal workflow result --workflow-id ${workflowId}`,
        { cause: error },
      );
    }
  });
}
