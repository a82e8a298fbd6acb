/** A worker with the ready-made purge, on an audit, a task queue and places of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory, NativeConnection } from '@temporalio/worker';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { vi } from 'vitest';
import { parseDigests } from '../../src/audit/chain.js';
import { addMissing } from '../../src/audit/missingRuns.js';
import type { Looked } from '../../src/audit/missingRuns.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import type { BatchRecord } from '../../src/domain/model.js';
import type { PurgeInput, PurgeResult } from '../../src/domain/purge.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import type { Ended } from '../cli/runCli.js';
import { runCli } from '../cli/runCli.js';
import type { Found } from '../proof/foundBy.js';
import { foundBy } from '../proof/foundBy.js';
import { openRecorder } from '../support/recorder.js';
import { connectClient, connectWorker, temporalAddress } from '../support/temporal.js';
import type { Steps } from './workflows.js';

const activities: Steps = {
  async step(fails) {
    if (fails) throw ApplicationFailure.create({ message: 'the disk is full' });
    return { rowsProcessed: 3 };
  },
};

export class PurgedQueue {
  static async open(): Promise<PurgedQueue> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const queue = new PurgedQueue(await connectClient(), await connectWorker());
    await queue.#start();
    return queue;
  }

  readonly taskQueue = `purge-${randomUUID()}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'batchtrail-purge-'));
  readonly url = `sqlite:${join(this.folder, 'audit')}`;
  readonly staging = join(this.folder, 'staging');
  readonly dwh = `sqlite:${join(this.folder, 'dwh')}`;
  /** As if the worker died between the work of these activities and its report, once each. */
  readonly losesAnswersOf = new Set<string>();
  reader!: AuditReader;
  #worker!: Worker;
  #running!: Promise<void>;

  constructor(
    readonly client: Client,
    readonly connection: NativeConnection,
  ) {
    writeFileSync(
      join(this.folder, 'batchtrail.yaml'),
      `audit: { url: "sqlite:./audit" }\nworker: { taskQueue: "${this.taskQueue}" }\n`,
    );
  }

  async #start(): Promise<void> {
    const losingAnswers: ActivityInterceptorsFactory = ({ info: { activityType } }) => ({
      inbound: {
        execute: async (input, next) => {
          const answer: unknown = await next(input);
          if (this.losesAnswersOf.delete(activityType)) throw new Error('the worker is gone');
          return answer;
        },
      },
    });
    const connections = { staging: { url: `file:${this.staging}` }, dwh: { url: this.dwh } };
    this.#worker = await Worker.create({
      ...{ connection: this.connection, taskQueue: this.taskQueue, activities },
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      plugins: [new BatchtrailPlugin({ audit: { url: this.url }, connections })],
      interceptors: { activity: [losingAnswers] },
    });
    this.#running = this.#worker.run();
    this.reader = await engine.openAuditReader({ url: this.url });
  }

  start(workflow: string, args: unknown[] = []): Promise<WorkflowHandle> {
    const workflowId = `${workflow}-${randomUUID()}`;
    return this.client.workflow.start(workflow, { taskQueue: this.taskQueue, workflowId, args });
  }

  /** Runs a workflow, and answers its batch when that is certified. */
  async run(workflow: string, args: unknown[] = []): Promise<BatchRecord> {
    const handle = await this.start(workflow, args);
    await handle.result().catch(() => undefined);
    return this.certified(handle);
  }

  async certified({ workflowId }: Pick<WorkflowHandle, 'workflowId'>): Promise<BatchRecord> {
    const { runId } = await this.client.workflow.getHandle(workflowId).describe();
    return vi.waitUntil(
      async () => {
        const [run] = await this.reader.runs([runId]);
        return run?.CertifiedAt != null ? await this.reader.batch(run.LogID) : undefined;
      },
      { timeout: 30_000 },
    );
  }

  /** Waits until this batch is older than a second, and purges what is. */
  async purge(
    { batch }: BatchRecord,
    input: Omit<PurgeInput, 'olderThan'> = {},
  ): Promise<{ result: PurgeResult; record: BatchRecord }> {
    await isOlderThanASecond(batch.EndTime!);
    const handle = await this.start('purgeAudit', [{ olderThan: '1s', ...input }]);
    const result = (await handle.result()) as PurgeResult;
    return { result, record: await this.certified(handle) };
  }

  /** Which of these batches are still there. */
  async left(records: readonly BatchRecord[]): Promise<number[]> {
    const found = await this.reader.records(records.map(({ batch }) => batch.LogID));
    return found.map(({ batch }) => batch.LogID).sort((a, b) => a - b);
  }

  cli(...args: string[]): Promise<Ended> {
    return runCli(args, { cwd: this.folder, env: { TEMPORAL_ADDRESS: temporalAddress() } });
  }

  get temporal(): TemporalReader {
    return new TemporalReader(() => this.client, 'default');
  }

  verify(digests = '', reader = this.reader): Promise<Found> {
    return foundBy(reader, this.temporal, {
      taskQueue: this.taskQueue,
      ...(digests === '' ? {} : { digests: parseDigests(digests, 'digests') }),
    });
  }

  /** What workers do every 15 seconds, and `reconcile` and `backfill` at once. */
  async addMissing(): Promise<Looked> {
    const store = await engine.openAuditStore({ url: this.url });
    const { recorder, close } = await openRecorder(store);
    try {
      return await addMissing(this.temporal, recorder, `TaskQueue = '${this.taskQueue}'`);
    } finally {
      await close();
    }
  }

  /** Behind the audit's back. */
  sql<T>(work: (db: Database.Database) => T, folder = join(this.folder, 'audit')): T {
    const db = new Database(join(folder, 'Audit.db'));
    try {
      return work(db);
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    this.#worker.shutdown();
    await this.#running;
    await this.reader.close();
    await this.connection.close();
    await this.client.connection.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function isOlderThanASecond(time: string): Promise<void> {
  await vi.waitUntil(() => Date.now() > Date.parse(time) + 1_000, { timeout: 10_000 });
}
