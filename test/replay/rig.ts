/** A worker with steps that fail as a test wants it, on a task queue and with an audit of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory, NativeConnection } from '@temporalio/worker';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { vi } from 'vitest';
import type { AuditSettings } from '../../src/config.js';
import type { BatchRecord, PipelineLog } from '../../src/domain/model.js';
import type { ReplayInput, ReplayOutcome } from '../../src/domain/replay.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import { connectClient, connectWorker } from '../support/temporal.js';
import type { Steps } from './workflows.js';

// There is one in a process.
Runtime.install({ logger: new DefaultLogger('ERROR') });

export interface RigOptions {
  readonly inputs?: AuditSettings['inputs'];
  readonly interceptors?: readonly ActivityInterceptorsFactory[];
}

export class Rig {
  readonly taskQueue = `replay-${randomUUID()}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'batchtrail-replay-'));
  readonly audit: AuditSettings;
  /** What steps did, and which of them fail. */
  readonly done: string[] = [];
  readonly broken = new Set<string>();
  /** What a step waits for that is done a second time. */
  #holding: Promise<void> | undefined;
  readonly #interceptors: readonly ActivityInterceptorsFactory[];
  client!: Client;
  connection!: NativeConnection;
  reader!: AuditReader;
  #stop: (() => Promise<void>) | undefined;

  constructor({ inputs, interceptors = [] }: RigOptions = {}) {
    this.audit = { url: `sqlite:${this.folder}`, ...(inputs ? { inputs } : {}) };
    this.#interceptors = interceptors;
  }

  async open(): Promise<void> {
    this.client = await connectClient();
    this.connection = await connectWorker();
    await this.#numberBatches();
    this.#stop = await this.startWorker({});
    this.reader = await engine.openAuditReader(this.audit);
  }

  /** The workflow ids of replays have a batch's number: tests that run at the same time must not have the same ones. */
  async #numberBatches(): Promise<void> {
    const store = await engine.openAuditStore(this.audit);
    await store.migrate();
    await store.close();
    const db = new Database(join(this.folder, 'Audit.db'));
    const last = 10_000 * Number(process.env['VITEST_POOL_ID']);
    db.prepare(`INSERT INTO sqlite_sequence VALUES ('PipelineLog', ?)`).run(last);
    db.close();
  }

  async close(): Promise<void> {
    await this.#stop?.();
    await this.reader?.close();
    await this.connection?.close();
    await this.client?.connection.close();
    rmSync(this.folder, { recursive: true });
  }

  /** Answers how it is stopped. */
  async startWorker({
    taskQueue = this.taskQueue,
    workflows = './workflows.ts',
  }: {
    taskQueue?: string;
    workflows?: string;
  }): Promise<() => Promise<void>> {
    const activities: Steps = { step: (name) => this.#step(name) };
    const worker = await Worker.create({
      ...{ connection: this.connection, taskQueue, activities },
      workflowsPath: fileURLToPath(new URL(workflows, import.meta.url)),
      plugins: [new BatchtrailPlugin({ audit: this.audit, connections: {} })],
      interceptors: { activity: [...this.#interceptors] },
    });
    const running = worker.run();
    return () => {
      worker.shutdown();
      return running;
    };
  }

  async #step(name: string): Promise<void> {
    if (this.done.includes(name)) await this.#holding;
    if (this.broken.has(name)) throw ApplicationFailure.create({ message: `${name}: the disk is full` });
    this.done.push(name);
  }

  hold(): () => void {
    let letGo!: () => void;
    this.#holding = new Promise((resolve) => (letGo = resolve));
    return letGo;
  }

  reset(): void {
    this.broken.clear();
    this.done.length = 0;
  }

  /** The batch of a run, when all of it is certified. */
  batchOf(runID: string): Promise<BatchRecord> {
    return vi.waitUntil(
      async () => {
        const [run] = await this.reader.runs([runID]);
        const record = run && (await this.reader.batch(run.LogID));
        return record?.runs.every(({ CertifiedAt }) => CertifiedAt !== null) ? record : undefined;
      },
      { timeout: 20_000 },
    );
  }

  async read({ batch }: Pick<BatchRecord, 'batch'>): Promise<BatchRecord> {
    return (await this.reader.batch(batch.LogID))!;
  }

  /** Its last run is the one that is answered. */
  async play(workflow: string, ...args: unknown[]): Promise<BatchRecord> {
    const handle = await this.client.workflow.start(workflow, {
      ...{ taskQueue: this.taskQueue, args, workflowId: `${workflow}-${randomUUID()}` },
      memo: { pipeline: 'Files', ticket: 7 },
    });
    await handle.result().catch(() => undefined);
    const { runId } = await this.client.workflow.getHandle(handle.workflowId).describe();
    return this.batchOf(runId);
  }

  async failedBatch(file: string = randomUUID()): Promise<BatchRecord & { file: string }> {
    this.broken.add(`load ${file}`);
    return { ...(await this.play('twoSteps', file)), file };
  }

  replay(input: ReplayInput): Promise<ReplayOutcome> {
    return this.client.workflow.execute<(input: ReplayInput) => Promise<ReplayOutcome>>('replayBatch', {
      ...{ taskQueue: this.taskQueue, args: [input], workflowId: `replay-${randomUUID()}` },
    });
  }

  async replayed(input: ReplayInput): Promise<BatchRecord> {
    const outcome = await this.replay(input);
    if ('refused' in outcome) throw new Error(outcome.refused);
    return this.batchOf(outcome.runId);
  }

  /** As Temporal does it when its retention is over. */
  async erase({ WorkflowID, RunID }: PipelineLog): Promise<void> {
    const handle = this.client.workflow.getHandle(WorkflowID!, RunID!);
    await this.client.workflowService.deleteWorkflowExecution({
      ...{ namespace: 'default', workflowExecution: { workflowId: WorkflowID!, runId: RunID! } },
    });
    const isGone = (): Promise<boolean> =>
      handle.describe().then(
        () => false,
        () => true,
      );
    // The server first makes sure that its queues have got past the run's end, and looks for that every half minute.
    await vi.waitUntil(isGone, { timeout: 120_000, interval: 500 });
  }
}
