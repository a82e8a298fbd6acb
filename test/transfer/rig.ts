/** A worker with the ready-made pipelines and an audit of its own, for tests of transfers. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { WorkflowFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { expect, vi } from 'vitest';
import type { Connection } from '../../src/config.js';
import type { BatchRecord } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import { connectClient, connectWorker } from '../support/temporal.js';

export const WORKFLOWS = fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url));

export interface Run {
  readonly workflowId: string;
  readonly runId: string;
}

export class Rig {
  readonly taskQueue = `transfer-${randomUUID()}`;
  readonly #opened: Database.Database[] = [];
  client!: Client;
  connections: Record<string, Connection> = {};
  #connection!: NativeConnection;
  #worker: Worker | undefined;
  #running: Promise<void> | undefined;

  private constructor(readonly folder: string) {}

  /** `connections` gets the folder that is removed at the end; relative `sqlite:` and `file:` places are made in it. */
  static async open(connections: (folder: string) => Record<string, Connection> = () => ({})): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-transfer-'));
    const rig = new Rig(folder);
    for (const name of ['source', 'target', 'audit']) mkdirSync(join(folder, name));
    rig.client = await connectClient();
    rig.#connection = await connectWorker();
    rig.connections = {
      source: { url: `sqlite:${join(folder, 'source')}` },
      staging: { url: `file:${join(folder, 'staging')}` },
      target: { url: `sqlite:${join(folder, 'target')}` },
      files: { url: `file:${folder}` },
      ...connections(folder),
    };
    await rig.startWorker(rig.connections);
    return rig;
  }

  async startWorker(
    connections: Record<string, Connection>,
    audit = 'audit',
    // An activity hears of its cancellation when it sends a heartbeat.
    options: Partial<WorkerOptions> = { maxHeartbeatThrottleInterval: 200 },
  ): Promise<void> {
    const worker = await Worker.create({
      connection: this.#connection,
      taskQueue: this.taskQueue,
      workflowsPath: WORKFLOWS,
      plugins: [new BatchtrailPlugin({ audit: { url: `sqlite:${join(this.folder, audit)}` }, connections })],
      ...options,
    });
    this.#worker = worker;
    this.#running = worker.run();
    await vi.waitUntil(() => worker.getState() === 'RUNNING', 30_000);
  }

  async stopWorker(): Promise<void> {
    if (this.#worker?.getState() === 'RUNNING') this.#worker.shutdown();
    await this.#running;
    this.#worker = undefined;
  }

  async close(): Promise<void> {
    await this.stopWorker();
    await this.#connection.close();
    await this.client.connection.close();
    for (const db of this.#opened) db.close();
    rmSync(this.folder, { recursive: true });
  }

  /** A SQLite file of the rig's folder, as in `target/DWH`. */
  database(path: string): Database.Database {
    const db = new Database(join(this.folder, `${path}.db`), { timeout: 10_000 });
    this.#opened.push(db);
    return db;
  }

  /** All rows of a query, integers as they are. */
  rows(path: string, sql: string): unknown[] {
    const db = this.database(path);
    try {
      return db.prepare(sql).raw().safeIntegers().all();
    } finally {
      db.close();
    }
  }

  async start(type: string, input: object): Promise<Run> {
    const workflowId = `${type}-${randomUUID()}`;
    const { taskQueue } = this;
    const handle = await this.client.workflow.start(type, { taskQueue, workflowId, args: [input] });
    return { workflowId, runId: handle.firstExecutionRunId };
  }

  resultOf({ workflowId, runId }: Run): Promise<unknown> {
    return this.client.workflow.getHandle(workflowId, runId).result();
  }

  /** Runs a historical transfer between the rig's own places, unless the input says otherwise. */
  async transfer(input: object): Promise<unknown> {
    return this.resultOf(await this.start('historicalTransfer', { ...OWN_PLACES, ...input }));
  }

  /** What a failed transfer says to people. */
  async refusal(input: object): Promise<ApplicationFailure> {
    return this.failureOf(await this.start('historicalTransfer', { ...OWN_PLACES, ...input }));
  }

  async failureOf(run: Run): Promise<ApplicationFailure> {
    const error = await this.resultOf(run).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(WorkflowFailedError);
    const { cause } = error as WorkflowFailedError;
    const failure = cause instanceof ActivityFailure ? cause.cause : cause;
    expect(failure).toBeInstanceOf(ApplicationFailure);
    return failure as ApplicationFailure;
  }

  /** Until an attempt to load is under way, which somebody else may still hold up. */
  async untilLoading(run: Run): Promise<void> {
    await this.untilAt('loadTables', run);
  }

  /** Until an attempt of this step is under way. */
  async untilAt(step: string, { workflowId, runId }: Run): Promise<void> {
    const handle = this.client.workflow.getHandle(workflowId, runId);
    const { PENDING_ACTIVITY_STATE_STARTED } = temporal.api.enums.v1.PendingActivityState;
    await vi.waitUntil(
      async () =>
        (await handle.describe()).raw.pendingActivities?.some(
          ({ activityType, state }) =>
            activityType?.name === step && state === PENDING_ACTIVITY_STATE_STARTED,
        ),
      { timeout: 30_000 },
    );
  }

  async reading<T>(work: (audit: AuditReader) => Promise<T>): Promise<T> {
    const audit = await engine.openAuditReader({ url: `sqlite:${join(this.folder, 'audit')}` });
    try {
      return await work(audit);
    } finally {
      await audit.close();
    }
  }

  /** The audit of a batch, once its run has ended, which takes as long as it takes. */
  async batchOf(run: Run): Promise<BatchRecord> {
    await this.resultOf(run).catch(() => undefined);
    const { runId } = run;
    return this.reading((audit) =>
      vi.waitUntil(
        async () => {
          const [run] = await audit.runs([runId]);
          return run?.CertifiedAt ? audit.batch(run.LogID) : undefined;
        },
        { timeout: 15_000 },
      ),
    );
  }
}

export const OWN_PLACES = { source: 'source', staging: 'staging', target: 'target' };
