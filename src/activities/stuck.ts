/** Notices that a run does not move, because no worker can do its next workflow task. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { isReset } from '../audit/historyEvent.js';
import type { ReplayRun, ReplayWait } from '../domain/replay.js';
import { reasonText } from '../domain/replay.js';

const LOOK_MS = 5_000;
/** A worker may be restarted meanwhile, or have much to do. */
const PATIENCE_MS = 60_000;
/** The task that failed is among them: while it is tried again, nothing else is written. */
const LAST_EVENTS = 10;

const { PendingWorkflowTaskState } = proto.temporal.api.enums.v1;

/**
 * Settles only when the run, or the one that goes on from it, has waited too long. It is left as it is: as soon as a worker
 * can do its task, it goes on.
 */
export async function stuck(client: Client, run: ReplayRun, signal: AbortSignal): Promise<ReplayWait> {
  const { workflowId } = run;
  let seen: { readonly at: string; readonly since: number } | undefined;
  for (;;) {
    await delay(LOOK_MS, undefined, { signal });
    const { raw, runId } = await client.workflow.getHandle(workflowId).describe();
    const task = raw.pendingWorkflowTask;
    // A task that fails is tried again, and only its first failure is an event.
    const at = `${runId} ${String(raw.workflowExecutionInfo?.historyLength)}`;
    if (!task) seen = undefined;
    else if (seen?.at !== at) seen = { at, since: performance.now() };
    if (!task || !seen || performance.now() - seen.since < PATIENCE_MS) continue;
    const where = `task queue ${raw.executionConfig?.taskQueue?.name}`;
    const type = raw.workflowExecutionInfo?.type?.name;
    const failure = await lastTaskFailure(client, { workflowId, runId });
    const isTaken = task.state === PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED;
    if (failure === undefined && isTaken) continue;
    const why =
      failure === undefined
        ? `no worker on ${where} takes it`
        : `the worker on ${where} can't run workflow type ${type}: ${failure}`;
    return {
      waits: `${why}. It goes on as soon as one can; to give it up: temporal workflow terminate --workflow-id ${workflowId} --run-id ${runId}`,
    };
  }
}

/** Why the task that is tried again has failed. */
async function lastTaskFailure(
  { workflowService, options }: Client,
  { workflowId, runId }: ReplayRun,
): Promise<string | undefined> {
  const { history } = await workflowService.getWorkflowExecutionHistoryReverse({
    namespace: options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: LAST_EVENTS,
  });
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes || isReset(event)) return undefined;
    const failure = event.workflowTaskFailedEventAttributes?.failure;
    if (failure) return failure.message ? reasonText(failure.message) : 'its workflow task fails';
  }
  return undefined;
}
