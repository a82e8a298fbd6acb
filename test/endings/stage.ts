/**
 * A dev server's client, an audited worker and one without the plugin. Each ending is played on both, so that the
 * events in the two histories can be compared.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect, promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import type { WorkerOptions, WorkflowBundleWithSourceMap } from '@temporalio/worker';
import proto from '@temporalio/proto';
import type { AuditReader } from '../../src/engines/contract.js';
import { NotFound } from '../../src/domain/errors.js';
import { engineFor } from '../../src/engines/index.js';
import { BatchtrailPlugin } from '../../src/index.js';
import { activities } from './activities.js';

export const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));

/** Longer than anything takes here, so that only what never comes is waited for in vain. */
const PATIENCE_MS = 60_000;

export interface StageOptions {
  readonly address: string;
  readonly temporalCli: string;
  /** Where the audit is kept. Default: SQLite files of the stage's own. */
  readonly auditUrl?: string | undefined;
}

export class Stage {
  /** `onLog` gets what the workers log; by default nobody does. */
  static async open(
    { address, temporalCli, auditUrl }: StageOptions,
    onLog?: (line: string) => void,
  ): Promise<Stage> {
    // The endings are full of failures that the SDK would print.
    const logging = { filter: makeTelemetryFilterString({ core: 'ERROR' }), forward: {} };
    Runtime.install({
      logger: new DefaultLogger(onLog ? 'DEBUG' : 'ERROR', (entry) => onLog?.(inspect(entry, { depth: 8 }))),
      telemetryOptions: { logging },
    });
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-endings-'));
    const stage = new Stage(
      address,
      temporalCli,
      folder,
      auditUrl ?? `sqlite:${folder}`,
      new Client({ connection: await Connection.connect({ address }) }),
      await NativeConnection.connect({ address }),
    );
    await stage.#start();
    return stage;
  }

  #reader: AuditReader | undefined;
  #auditedBundle: WorkflowBundleWithSourceMap | undefined;
  #plainBundle: WorkflowBundleWithSourceMap | undefined;
  #workers: Array<{ worker: Worker; done: Promise<void> }> = [];

  private constructor(
    readonly address: string,
    readonly temporalCli: string,
    readonly folder: string,
    readonly auditUrl: string,
    readonly client: Client,
    readonly connection: NativeConnection,
  ) {}

  /** The audit, as people read it. */
  get reader(): AuditReader {
    return this.#reader!;
  }

  /** The audited workflows, for workers in other processes. */
  get bundleFile(): string {
    return join(this.folder, 'workflows.js');
  }

  plugin(): BatchtrailPlugin {
    return new BatchtrailPlugin({ audit: { url: this.auditUrl } });
  }

  async #start(): Promise<void> {
    const { logger } = Runtime.instance();
    this.#auditedBundle = await bundleWorkflowCode({ workflowsPath, logger, plugins: [this.plugin()] });
    this.#plainBundle = await bundleWorkflowCode({ workflowsPath, logger });
    writeFileSync(this.bundleFile, this.#auditedBundle.code);
    await this.startAudited('audited');
    await this.startPlain('plain');
    this.#reader = await this.#openReader();
  }

  /** The worker's plugin makes the tables before it polls, which it does not tell anybody. */
  async #openReader(): Promise<AuditReader> {
    const engine = await engineFor(this.auditUrl, 'audit');
    for (const deadline = Date.now() + 20_000; ; await delay(50)) {
      try {
        return await engine.openAuditReader({ url: this.auditUrl });
      } catch (error) {
        if (!(error instanceof NotFound) || Date.now() > deadline) throw error;
      }
    }
  }

  startAudited(taskQueue: string): Promise<() => Promise<void>> {
    const workflowBundle = this.#auditedBundle!;
    return this.startWorker({ taskQueue, workflowBundle, plugins: [this.plugin()] });
  }

  /** A worker without the plugin. */
  startPlain(taskQueue: string): Promise<() => Promise<void>> {
    return this.startWorker({ taskQueue, workflowBundle: this.#plainBundle! });
  }

  /** A worker that runs until the stage is closed, or until the function that this answers is called. */
  async startWorker(options: Partial<WorkerOptions> & { taskQueue: string }): Promise<() => Promise<void>> {
    const worker = await Worker.create({
      connection: this.connection,
      activities,
      maxHeartbeatThrottleInterval: '100ms',
      ...options,
    });
    const entry = { worker, done: worker.run() };
    this.#workers.push(entry);
    return async () => {
      this.#workers = this.#workers.filter((other) => other !== entry);
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await entry.done;
    };
  }

  scene(name: string, taskQueue: 'audited' | 'plain'): Scene {
    return new Scene(this, `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${randomUUID().slice(0, 8)}`, taskQueue);
  }

  async close(): Promise<void> {
    for (const { worker } of this.#workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all(this.#workers.map(({ done }) => done));
    await this.reader.close();
    await this.connection.close();
    await this.client.connection.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Event types by their numbers in the protocol. */
export const EVENT = { workflowTaskCompleted: '7', workflowTaskFailed: '9', activityCompleted: '12' };

/** One playing of one ending. */
export class Scene {
  constructor(
    readonly stage: Stage,
    readonly workflowId: string,
    readonly taskQueue: string,
  ) {}

  get client(): Client {
    return this.stage.client;
  }

  start(workflow: string, args: unknown[] = [], options: object = {}): Promise<WorkflowHandle> {
    return this.client.workflow.start(workflow, {
      taskQueue: this.taskQueue,
      workflowId: this.workflowId,
      args,
      ...options,
    });
  }

  /** Runs a workflow to its end, whatever that is. */
  async run(workflow: string, args: unknown[] = [], options: object = {}): Promise<string[]> {
    const handle = await this.start(workflow, args, options);
    await ended(handle);
    return [this.workflowId];
  }

  /** The Temporal CLI, as a user types it. */
  async cli(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.stage.temporalCli, [
      ...args,
      '--address',
      this.stage.address,
    ]);
    return stdout;
  }

  /** Waits until `look` finds something. */
  async until<T>(
    what: string,
    look: () => Promise<T | undefined | false> | T | undefined | false,
  ): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const began = Date.now();
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > deadline) throw new Error(`${this.workflowId}: waited in vain until ${what}`);
      // Looks must not be what makes the worker busy, which is in this process, too.
      await delay(Math.max(20, 5 * (Date.now() - began)));
    }
  }

  /** The event types of the run's history. */
  async history(workflowId = this.workflowId, runId?: string): Promise<Array<{ type: string; id: number }>> {
    const { events } = await this.client.workflow.getHandle(workflowId, runId).fetchHistory();
    return (events ?? []).map(({ eventType, eventId }) => ({ type: String(eventType), id: Number(eventId) }));
  }

  /** Waits until the history holds this many events of a type. */
  async happened(type: string, count: number): Promise<void> {
    await this.until(`${count} events of type ${type} happened`, async () => {
      const events = await this.history();
      return events.filter((event) => event.type === type).length >= count;
    });
  }

  /** Waits until an activity has been taken by a worker. */
  async stepRuns(): Promise<void> {
    const { PENDING_ACTIVITY_STATE_STARTED } = proto.temporal.api.enums.v1.PendingActivityState;
    await this.until('a step runs', async () => {
      const { raw } = await this.client.workflow.getHandle(this.workflowId).describe();
      return raw.pendingActivities?.some(({ state }) => state === PENDING_ACTIVITY_STATE_STARTED);
    });
  }

  /** Resets the workflow to before the given workflow task (1 is the first). Answers the new run's id. */
  async reset(task: number, runId?: string): Promise<string> {
    const done = (await this.history(this.workflowId, runId)).filter(
      ({ type }) => type === EVENT.workflowTaskCompleted,
    );
    const response = await this.client.workflowService.resetWorkflowExecution(
      proto.temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
        namespace: 'default',
        workflowExecution: { workflowId: this.workflowId, runId: runId ?? '' },
        workflowTaskFinishEventId: done[task - 1]!.id,
        requestId: randomUUID(),
        reason: 'test',
      }),
    );
    return response.runId;
  }

  result(runId?: string): Promise<void> {
    return ended(this.client.workflow.getHandle(this.workflowId, runId));
  }
}

async function ended(handle: { result(): Promise<unknown> }): Promise<void> {
  await handle.result().catch(() => undefined);
}
