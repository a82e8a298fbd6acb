/**
 * `npm run bench:certify`: how many batches are certified in a second, by the length of their histories. Runs are made
 * and audited first; then their certificates are taken away, and given again against the clock: each history is read,
 * the rows are held against it, and the batch is sealed. Option: --rounds (5).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { certifyDue } from '../../src/audit/certifyDue.js';
import { RateLimit } from '../../src/audit/rateLimit.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import { startDevServer } from '../../src/dev/devServer.js';
import { engineFor } from '../../src/engines/index.js';
import { BatchtrailPlugin } from '../../src/index.js';
import { openRecorder } from '../../test/support/recorder.js';
import { spread } from '../spread.js';

/** Activities in a run, and how many such runs. One activity has six events, the run itself five. */
const SIZES = [
  { steps: 3, runs: 200 },
  { steps: 33, runs: 50 },
  { steps: 333, runs: 8 },
];

interface Round {
  readonly batchesPerSecond: number;
  readonly processorMsPerBatch: number;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const report = (line: string): void => console.error(line);

Runtime.install({ logger: new DefaultLogger('ERROR') });
const folder = mkdtempSync(join(tmpdir(), 'batchtrail-certify-'));
const server = await startDevServer({ report });
const connection = await NativeConnection.connect({ address: server.address });
const client = new Client({ connection: await Connection.connect({ address: server.address }) });
const temporal = new TemporalReader(() => client, 'default');
try {
  const files = new Map<number, string>();
  for (const { steps, runs } of SIZES) files.set(steps, await makeRuns(steps, runs));
  const measured = new Map<number, Round[]>(SIZES.map(({ steps }) => [steps, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { steps } of SIZES) measured.get(steps)!.push(await certify(files.get(steps)!));
    report(`round ${round + 1} of ${rounds}`);
  }
  print(measured);
} finally {
  await client.connection.close();
  await connection.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Answers the folder of their audit. */
async function makeRuns(steps: number, runs: number): Promise<string> {
  const audit = join(folder, `${steps}`);
  const taskQueue = `certify-${steps}`;
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities: { noop: async () => undefined },
    plugins: [new BatchtrailPlugin({ audit: { url: `sqlite:${audit}` } })],
  });
  await worker.runUntil(async () => {
    let next = 0;
    const runAll = async (): Promise<void> => {
      while (next < runs) {
        const workflowId = `${taskQueue}-${next++}`;
        await client.workflow.execute('steps', { taskQueue, workflowId, args: [steps] });
      }
    };
    await Promise.all(Array.from({ length: 20 }, runAll));
  });
  report(`made ${runs} runs of ${steps} steps`);
  return audit;
}

async function certify(audit: string): Promise<Round> {
  takeCertificates(audit);
  const url = `sqlite:${audit}`;
  const store = await (await engineFor(url, 'bench')).openAuditStore({ url });
  const opened = await openRecorder(store);
  const began = performance.now();
  const cpu = process.cpuUsage();
  const { certified } = await certifyDue(temporal, opened.recorder, new RateLimit(Infinity, 1));
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  await opened.close();
  return {
    batchesPerSecond: certified / seconds,
    processorMsPerBatch: (user + system) / 1_000 / certified,
  };
}

/** As if no history had been read yet. */
function takeCertificates(audit: string): void {
  const db = new Database(join(audit, 'Audit.db'));
  db.exec(`UPDATE PipelineRun SET CertifiedAt = NULL, CertifiedEventID = NULL, HistoryHash = NULL, GapCount = NULL;
    UPDATE PipelineEvent SET Witness = 'live';
    DELETE FROM Seal`);
  db.close();
}

function print(measured: ReadonlyMap<number, readonly Round[]>): void {
  console.log(`\n${rounds} rounds in turns, SQLite; median, and the lowest and the highest round\n`);
  const perEvent = ({ processorMsPerBatch }: Round, steps: number): number =>
    (processorMsPerBatch * 1_000) / eventsOf(steps);
  for (const [steps, all] of measured) {
    console.log(`histories of ${eventsOf(steps)} events`);
    const batchesPerSecond = all.map((round) => round.batchesPerSecond);
    console.log(`  batches certified per second      ${spread(batchesPerSecond, 1)}`);
    const perEvents = all.map((round) => perEvent(round, steps));
    console.log(`  processor time per event, in µs   ${spread(perEvents, 1)}`);
  }
}

function eventsOf(steps: number): number {
  return 5 + 6 * steps;
}
