/** An audit of its own, a task queue of its own, and the command line on both. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import Database from 'better-sqlite3';
import type { BatchRecord, PipelineLog } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { addMissing } from '../../src/audit/missingRuns.js';
import type { Looked } from '../../src/audit/missingRuns.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import { engineFor } from '../../src/engines/index.js';
import { BatchtrailPlugin } from '../../src/index.js';
import type { Ended } from '../cli/runCli.js';
import { runCli } from '../cli/runCli.js';
import { activities } from '../endings/activities.js';
import { workflowsPath } from '../endings/stage.js';
import { openRecorder } from '../support/recorder.js';
import { connectClient, connectWorker, temporalAddress } from '../support/temporal.js';
import type { Found } from './foundBy.js';
import { foundBy } from './foundBy.js';

export class AuditedQueue {
  static async open(): Promise<AuditedQueue> {
    return new AuditedQueue(await connectClient(), await connectWorker());
  }

  readonly taskQueue = `proof-${randomUUID()}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'batchtrail-proof-'));
  #reader: AuditReader | undefined;

  constructor(
    readonly client: Client,
    readonly connection: NativeConnection,
  ) {
    writeFileSync(
      join(this.folder, 'batchtrail.yaml'),
      `audit: { url: "sqlite:./audit" }\nworker: { taskQueue: "${this.taskQueue}" }\n`,
    );
  }

  get auditFolder(): string {
    return join(this.folder, 'audit');
  }

  get file(): string {
    return join(this.auditFolder, 'Audit.db');
  }

  /** Does the work while a worker with the plugin runs. */
  async audited<T>(work: () => Promise<T>, options: Partial<WorkerOptions> = {}): Promise<T> {
    const plugin = new BatchtrailPlugin({ audit: { url: `sqlite:${this.auditFolder}` } });
    return (await this.#worker({ plugins: [plugin], ...options })).runUntil(work);
  }

  /** The same with a worker that has no plugin. */
  async plain<T>(work: () => Promise<T>): Promise<T> {
    return (await this.#worker({})).runUntil(work);
  }

  #worker(options: Partial<WorkerOptions>): Promise<Worker> {
    const { connection, taskQueue } = this;
    return Worker.create({ connection, taskQueue, workflowsPath, activities, ...options });
  }

  start(workflow: string, args: unknown[] = [], options: object = {}): Promise<WorkflowHandle> {
    const workflowId = `${workflow}-${randomUUID()}`;
    return this.client.workflow.start(workflow, { taskQueue: this.taskQueue, workflowId, args, ...options });
  }

  async run(workflow: string, args: unknown[] = [], options: object = {}): Promise<WorkflowHandle> {
    const handle = await this.start(workflow, args, options);
    await handle.result().catch(() => undefined);
    return handle;
  }

  cli(...args: string[]): Promise<Ended> {
    return runCli(args, { cwd: this.folder, env: { TEMPORAL_ADDRESS: temporalAddress() } });
  }

  /** What `batchtrail verify` finds. */
  async verify(): Promise<Found> {
    return foundBy(await this.reader(), this.temporal, { taskQueue: this.taskQueue });
  }

  /** What `batchtrail backfill` does. */
  async backfill(query = `TaskQueue = '${this.taskQueue}'`): Promise<Looked> {
    const url = `sqlite:${this.auditFolder}`;
    const store = await (await engineFor(url, 'audit')).openAuditStore({ url });
    await store.migrate();
    const { recorder, close } = await openRecorder(store);
    try {
      return await addMissing(this.temporal, recorder, query);
    } finally {
      await close();
    }
  }

  get temporal(): TemporalReader {
    return new TemporalReader(() => this.client, 'default');
  }

  async reader(): Promise<AuditReader> {
    const url = `sqlite:${this.auditFolder}`;
    return (this.#reader ??= await (await engineFor(url, 'audit')).openAuditReader({ url }));
  }

  /** The batches of a workflow, in the order in which they began. */
  async batchesOf({ workflowId }: WorkflowHandle): Promise<BatchRecord[]> {
    const reader = await this.reader();
    const found: PipelineLog[] = await reader.batches({ text: workflowId });
    const records = await Promise.all(found.map(({ LogID }) => reader.batch(LogID)));
    return records.map((record) => record!).sort((a, b) => a.batch.LogID - b.batch.LogID);
  }

  /** Waits until every run that has a row is certified. */
  async certified(): Promise<void> {
    const left = 'SELECT COUNT(*) FROM PipelineRun WHERE CertifiedAt IS NULL';
    for (const deadline = Date.now() + 30_000; ; await delay(20)) {
      if (this.sql((db) => db.prepare(left).pluck().get()) === 0) return;
      if (Date.now() > deadline) throw new Error('Some runs were not certified within 30 s');
    }
  }

  /** Behind the audit's back. */
  sql<T>(work: (db: Database.Database) => T, file = this.file): T {
    const db = new Database(file);
    try {
      return work(db);
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    await this.connection.close();
    await this.client.connection.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
