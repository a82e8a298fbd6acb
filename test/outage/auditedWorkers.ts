/** Workers with the plugin, on the test run's Temporal server, and what they log. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { temporal } from '@temporalio/proto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
} from '@temporalio/worker';
import type { NativeConnection, WorkerOptions, WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { onTestFinished } from 'vitest';
import type { AuditSettings } from '../../src/config.js';
import { BatchtrailPlugin } from '../../src/index.js';
import { activities } from '../endings/activities.js';
import { connectClient, connectWorker } from '../support/temporal.js';

const { EVENT_TYPE_WORKFLOW_TASK_STARTED } = temporal.api.enums.v1.EventType;

export class AuditedWorkers {
  /** What was logged, those things apart that the SDK says about every worker. */
  readonly lines: string[] = [];

  static async open(): Promise<AuditedWorkers> {
    const lines: string[] = [];
    Runtime.install({
      logger: new DefaultLogger('WARN', ({ message }) => lines.push(message)),
      telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }), forward: {} } },
    });
    const workflowBundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      logger: Runtime.instance().logger,
      plugins: [new BatchtrailPlugin({ audit: { url: 'sqlite:./unused' } })],
    });
    return new AuditedWorkers(await connectClient(), await connectWorker(), workflowBundle, lines);
  }

  private constructor(
    readonly client: Client,
    readonly connection: NativeConnection,
    readonly workflowBundle: WorkflowBundleWithSourceMap,
    lines: string[],
  ) {
    this.lines = lines;
  }

  /** A worker that is being run; it is stopped at the end of the test at the latest. */
  async run(taskQueue: string, audit: AuditSettings, options: Partial<WorkerOptions> = {}) {
    const worker = await Worker.create({
      connection: this.connection,
      workflowBundle: this.workflowBundle,
      activities,
      plugins: [new BatchtrailPlugin({ audit })],
      taskQueue,
      ...options,
    });
    const ended = worker.run();
    // Who awaits it is told, too.
    ended.catch(() => undefined);
    const stop = async (): Promise<void> => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
    };
    onTestFinished(() => stop().catch(() => undefined));
    return { worker, ended, stop };
  }

  start(taskQueue: string, workflow: string, ...args: unknown[]): Promise<WorkflowHandle> {
    return this.client.workflow.start(workflow, {
      ...{ taskQueue, args },
      workflowId: `${workflow}-${randomUUID()}`,
    });
  }

  async close(): Promise<void> {
    await this.connection.close();
    await this.client.connection.close();
  }
}

/** Whether a worker has taken a workflow task of the run. */
export async function isTaken(handle: WorkflowHandle): Promise<boolean> {
  const { raw } = await handle.describe();
  const { PENDING_WORKFLOW_TASK_STATE_STARTED } = temporal.api.enums.v1.PendingWorkflowTaskState;
  if (raw.pendingWorkflowTask?.state === PENDING_WORKFLOW_TASK_STATE_STARTED) return true;
  const { events } = await handle.fetchHistory();
  return (events ?? []).some(({ eventType }) => eventType === EVENT_TYPE_WORKFLOW_TASK_STARTED);
}
