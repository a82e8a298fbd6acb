/** Batchtrail's own transfers, each by a worker of its own, so that memory is counted from the same start. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, Runtime } from '@temporalio/worker';
import type pg from 'pg';
import { typeScriptArguments } from '../../src/ownScript.js';
import { BatchtrailPlugin } from '../../src/index.js';
import type { Destination, Places } from './destinations.js';
import type { WorkerSettings } from './worker.js';

/** As long as a worker takes to have nothing more to do. */
const SETTLE_MS = 3_000;
const TASK_QUEUE = 'bench';
/** A table that is moved before the clock starts. */
export const FEW = 'bench.few';

export interface Measured {
  readonly seconds: number;
  readonly bytesAboveIdle: number;
}

export class Bench {
  private constructor(
    readonly places: Places,
    readonly client: Client,
    readonly db: pg.Client,
    readonly settings: WorkerSettings,
  ) {}

  static async open(places: Places, address: string, db: pg.Client): Promise<Bench> {
    const { folder, postgresUrl, s3 } = places;
    for (const name of ['audit', 'target']) mkdirSync(join(folder, name));
    const auditUrl = `sqlite:${join(folder, 'audit')}`;
    const { code } = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      plugins: [new BatchtrailPlugin({ audit: { url: auditUrl } })],
      logger: Runtime.instance().logger,
    });
    const bundleFile = join(folder, 'bundle.js');
    writeFileSync(bundleFile, code);
    const connections = {
      postgres: { url: postgresUrl },
      s3: { url: s3.url },
      staging: { url: `file:${join(folder, 'staging')}` },
      sqlite: { url: `sqlite:${join(folder, 'target')}` },
    };
    return new Bench(places, new Client({ connection: await Connection.connect({ address }) }), db, {
      ...{ address, taskQueue: TASK_QUEUE, bundleFile, auditUrl, connections },
    });
  }

  async close(): Promise<void> {
    await this.client.connection.close();
  }

  async transfer(destination: Destination, table: string, rows: number): Promise<Measured> {
    await this.#clear();
    const worker = await this.#startWorker();
    // A worker that is idle between two transfers has loaded the drivers already.
    await this.#move(destination, FEW, 'warm.few');
    await delay(SETTLE_MS);
    await peakOf(worker);
    // What it has now is what it has when idle; asking begins a new peak.
    await delay(SETTLE_MS / 10);
    const idle = await peakOf(worker);
    const startedAt = performance.now();
    const moved = await this.#move(destination, table, 'moved.rows');
    const seconds = (performance.now() - startedAt) / 1000;
    if (moved !== rows) throw new Error(`${moved} rows were moved, and there are ${rows}`);
    const bytesAboveIdle = (await peakOf(worker)) - idle;
    worker.kill('SIGKILL');
    await once(worker, 'close');
    return { seconds, bytesAboveIdle };
  }

  /** Answers how many rows were moved. */
  async #move(destination: Destination, from: string, to: string): Promise<number> {
    const isStaged = destination === 's3';
    const { rowsProcessed } = (await this.client.workflow.execute(
      isStaged ? 'extraction' : 'historicalTransfer',
      {
        taskQueue: TASK_QUEUE,
        workflowId: `bench-${performance.now()}`,
        args: [
          {
            ...{ source: 'postgres', staging: isStaged ? 's3' : 'staging' },
            target: isStaged ? 'postgres' : destination,
            ...{ tables: [{ from, to }], mode: 'append' },
          },
        ],
      },
    )) as { rowsProcessed: number };
    return rowsProcessed;
  }

  async #startWorker(): Promise<ChildProcess> {
    const script = fileURLToPath(new URL('./worker.ts', import.meta.url));
    const worker = fork(script, [JSON.stringify(this.settings)], { execArgv: typeScriptArguments() });
    await once(worker, 'message');
    return worker;
  }

  /** What the transfer before this one has left. */
  async #clear(): Promise<void> {
    rmSync(join(this.places.folder, 'target'), { recursive: true });
    mkdirSync(join(this.places.folder, 'target'));
    rmSync(join(this.places.folder, 'staging'), { recursive: true, force: true });
    await this.db.query('DROP SCHEMA IF EXISTS moved, warm CASCADE; CHECKPOINT');
  }
}

async function peakOf(worker: ChildProcess): Promise<number> {
  worker.send('peak');
  const [bytes] = (await once(worker, 'message')) as [number];
  return bytes;
}
