/** One round of one variant, in a process of its own. Prints its figures as one line of JSON. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { processorMs } from './processorTime.js';
import { isAudited, pluginsOf } from './variants.js';
import type { Variant } from './variants.js';

export interface Settings {
  readonly variant: Variant;
  readonly address: string;
  readonly serverPid: number;
  readonly bundleFile: string;
  readonly auditFolder: string;
  readonly runs: number;
  readonly atOnce: number;
  readonly sequentialRuns: number;
}

export interface Figures {
  readonly runsPerSecond: number;
  readonly workerCpuMsPerRun: number;
  readonly serverCpuMsPerRun: number | undefined;
  /** What certifying the runs costs the worker after they are closed. */
  readonly deferredCpuMsPerRun: number;
  readonly sequentialMs: number;
  readonly historyEvents: number;
}

const OPEN = "Status = 'Running'";
const UNCERTIFIED = 'CertifiedAt IS NULL';

const settings = JSON.parse(process.argv[2]!) as Settings;
Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await NativeConnection.connect({ address: settings.address });
const client = new Client({ connection: await Connection.connect({ address: settings.address }) });
const taskQueue = `bench-${process.pid}`;
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowBundle: { codePath: settings.bundleFile },
  plugins: pluginsOf(settings.variant, `sqlite:${settings.auditFolder}`),
  activities: { noop: async () => undefined },
});

const figures = await worker.runUntil(async (): Promise<Figures> => {
  await executeAll('warm', settings.atOnce, settings.atOnce);
  await noneLeft(UNCERTIFIED);

  const began = performance.now();
  const cpu = process.cpuUsage();
  const serverCpu = processorMs(settings.serverPid);
  await executeAll('run', settings.runs, settings.atOnce);
  // A busy worker shows good ends at once, and reads their histories when it has time again.
  await noneLeft(settings.variant === 'certified' ? UNCERTIFIED : OPEN);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const serverAfter = processorMs(settings.serverPid);

  const afterwards = process.cpuUsage();
  await noneLeft(UNCERTIFIED);
  const deferred = process.cpuUsage(afterwards);

  const latencies: number[] = [];
  for (let run = 0; run < settings.sequentialRuns; run++) {
    const start = performance.now();
    await executeOne(`sequential-${run}`);
    latencies.push(performance.now() - start);
  }
  const { events } = await client.workflow.getHandle(`${taskQueue}-sequential-0`).fetchHistory();
  return {
    runsPerSecond: settings.runs / seconds,
    workerCpuMsPerRun: (user + system) / 1000 / settings.runs,
    serverCpuMsPerRun:
      serverCpu === undefined || serverAfter === undefined
        ? undefined
        : (serverAfter - serverCpu) / settings.runs,
    deferredCpuMsPerRun: (deferred.user + deferred.system) / 1000 / settings.runs,
    sequentialMs: latencies.sort((a, b) => a - b)[Math.floor(latencies.length / 2)]!,
    historyEvents: events?.length ?? 0,
  };
});
await connection.close();
await client.connection.close();
console.log(JSON.stringify(figures));
process.exit();

async function executeAll(name: string, runs: number, atOnce: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < runs) await executeOne(`${name}-${next++}`);
    }),
  );
}

function executeOne(name: string): Promise<unknown> {
  return client.workflow.execute('fiveSteps', { taskQueue, workflowId: `${taskQueue}-${name}` });
}

async function noneLeft(condition: string): Promise<void> {
  if (!isAudited(settings.variant)) return;
  const db = new Database(join(settings.auditFolder, 'Audit.db'), { readonly: true });
  const left = db.prepare(`SELECT COUNT(*) FROM PipelineRun WHERE ${condition}`).pluck();
  while (Number(left.get()) > 0) await delay(5);
  db.close();
}
