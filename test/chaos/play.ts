/** One run of the workload, and what is done to it. Every call asks until the server answers. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import type { Client, WorkflowHandle, WorkflowStartOptions } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { Dice } from '../support/dice.js';
import { eventually, ifStillPossible, persistently } from './persistent.js';
import { TASK_QUEUE } from './system.js';

const { ResetWorkflowExecutionRequest } = proto.temporal.api.workflowservice.v1;
const { PENDING_ACTIVITY_STATE_STARTED } = proto.temporal.api.enums.v1.PendingActivityState;
const { WORKFLOW_EXECUTION_STATUS_RUNNING } = proto.temporal.api.enums.v1.WorkflowExecutionStatus;
/** What a scenario waits for may never come, because a fault was faster; then it goes on all the same. */
const PATIENCE_MS = 15_000;

export interface StartedRun {
  readonly WorkflowID: string;
  readonly RunID: string;
}

export class Play {
  constructor(
    readonly client: Client,
    readonly workflowId: string,
    readonly started: StartedRun[],
  ) {}

  /** The latest run of the workflow. */
  get #handle(): WorkflowHandle {
    return this.client.workflow.getHandle(this.workflowId);
  }

  async start(
    workflow: string,
    args: unknown[],
    options: Pick<WorkflowStartOptions, 'workflowRunTimeout' | 'startDelay'> = {},
  ): Promise<void> {
    const { workflowId } = this;
    const RunID = await persistently(() => this.#startOnce(workflow, args, options));
    this.started.push({ WorkflowID: workflowId, RunID });
  }

  async #startOnce(workflow: string, args: unknown[], options: object): Promise<string> {
    try {
      const handle = await this.client.workflow.start(workflow, {
        taskQueue: TASK_QUEUE,
        workflowId: this.workflowId,
        // A workflow task whose worker was killed goes to another one soon.
        workflowTaskTimeout: '2s',
        args,
        ...options,
      });
      return handle.firstExecutionRunId;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      // An earlier call came through, and its answer did not.
      const { raw } = await this.#handle.describe();
      return raw.workflowExecutionInfo!.firstRunId!;
    }
  }

  /** Waits until the latest run is over, and those that continue it. */
  async ended(): Promise<void> {
    try {
      await persistently(() => this.#handle.result());
    } catch (error) {
      if (!(error instanceof WorkflowFailedError)) throw error;
    }
  }

  /** Waits until a worker has an activity, or the run is over. */
  async stepRuns(): Promise<void> {
    await eventually(async () => {
      const { raw } = await persistently(() => this.#handle.describe());
      const isOpen = raw.workflowExecutionInfo?.status === WORKFLOW_EXECUTION_STATUS_RUNNING;
      return (
        !isOpen || (raw.pendingActivities ?? []).some(({ state }) => state === PENDING_ACTIVITY_STATE_STARTED)
      );
    }, PATIENCE_MS);
  }

  /** Waits until so many workflow tasks are done. */
  async tasksDone(count: number): Promise<void> {
    await eventually(async () => (await this.#tasks()).length >= count, PATIENCE_MS);
  }

  /** The moment itself is what the scenario is about, so there is no condition to wait for. */
  async pause(ms: number): Promise<void> {
    await delay(ms);
  }

  async cancel(): Promise<void> {
    await ifStillPossible(() => this.#handle.cancel());
  }

  async terminate(): Promise<void> {
    await ifStillPossible(() => this.#handle.terminate('by the workload'));
  }

  async proceed(): Promise<void> {
    await ifStillPossible(() => this.#handle.signal('proceed'));
  }

  /** Resets the latest run to before one of its workflow tasks. */
  async reset(dice: Dice): Promise<void> {
    await this.tasksDone(1);
    const tasks = await this.#tasks();
    if (tasks.length === 0) return;
    const request = ResetWorkflowExecutionRequest.fromObject({
      namespace: this.client.options.namespace,
      workflowExecution: { workflowId: this.workflowId, runId: '' },
      workflowTaskFinishEventId: dice.pick(tasks),
      // The same for every try of this call: it makes one new run.
      requestId: randomUUID(),
      reason: 'by the workload',
    });
    await ifStillPossible(async () => {
      const { runId } = await this.client.workflowService.resetWorkflowExecution(request);
      this.started.push({ WorkflowID: this.workflowId, RunID: runId });
    });
  }

  /** The events that complete workflow tasks. */
  async #tasks(): Promise<number[]> {
    const { events } = await persistently(() => this.#handle.fetchHistory());
    return (events ?? [])
      .filter(({ workflowTaskCompletedEventAttributes }) => workflowTaskCompletedEventAttributes)
      .map(({ eventId }) => Number(eventId));
  }
}
