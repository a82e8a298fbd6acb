/** Histories whose payloads only the user's own data converter can read. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import type { Ended } from '../cli/runCli.js';
import { endOf, runCli, startCli, untilPrinted } from '../cli/runCli.js';
import { temporalAddress } from '../support/temporal.js';
import { dataConverter } from './flippingConverter.js';

const CONVERTER = fileURLToPath(new URL('./flippingConverter.ts', import.meta.url));
const TASK_QUEUE = 'converted';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-converter-'));
  const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));
  symlinkSync(packages, join(folder, 'node_modules'), 'junction');
  write(
    'workflows.ts',
    `import { proxyActivities } from '@temporalio/workflow';
     const { load } = proxyActivities({ startToCloseTimeout: '10s' });
     export async function loading() { await load(); return { rowsProcessed: 7 }; }`,
  );
  write('activities.ts', 'export async function load() { return { rowsProcessed: 3 }; }');
  const worker = `taskQueue: ${TASK_QUEUE}, workflowsPath: ./workflows.ts, activities: ./activities.ts`;
  write('batchtrail.yaml', `worker: { ${worker}, dataConverter: ${JSON.stringify(CONVERTER)} }`);
  write('without.yaml', `worker: { ${worker} }`);
  write('empty.ts', 'export const codec = 1;');
  write('empty.yaml', `worker: { ${worker}, dataConverter: ./empty.ts }`);
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

const env = { TEMPORAL_ADDRESS: temporalAddress() };

function cli(args: readonly string[], more: Record<string, string> = {}): Promise<Ended> {
  return runCli(args, { cwd: folder, env: { ...env, ...more } });
}

it('are written by a worker, and read by the commands, with worker.dataConverter', async () => {
  const child = startCli(['worker'], { cwd: folder, env });
  const ended = endOf(child);
  await untilPrinted(child, /\n/);
  const connection = await Connection.connect({ address: temporalAddress() });
  const client = new Client({ connection, dataConverter });
  const run = { taskQueue: TASK_QUEUE, workflowId: 'converted-1' };
  expect(await client.workflow.execute('loading', run)).toEqual({ rowsProcessed: 7 });
  const { events } = await client.workflow.getHandle(run.workflowId).fetchHistory();
  const result = events!.at(-1)!.workflowExecutionCompletedEventAttributes!.result!.payloads![0]!;
  expect(Buffer.from(result.metadata!['encoding']!).toString()).toBe('binary/flipped');
  await connection.close();
  child.kill('SIGTERM');
  expect((await ended).code).toBe(0);

  const verified = await cli(['verify']);
  expect(verified.stderr).toBe('');
  expect(verified.stdout).toMatch(/^1 batches: 1 certified/m);
  const without = await cli(['verify', '--config', 'without.yaml']);
  expect(without.stdout).toMatch(/altered: the batch should have RowsProcessed 3 instead of 7/);

  const second = { BATCHTRAIL_AUDIT_URL: 'sqlite:./second' };
  await expect
    .poll(async () => (await cli(['backfill', '--since', '1h'], second)).stdout)
    .toMatch(/^1 closed runs/);
  const { stdout } = await cli(['show', '1', '--json'], second);
  expect((JSON.parse(stdout) as BatchRecord).batch.RowsProcessed).toBe(7);
}, 300_000);

it('are refused with a reason where the module exports no data converter', async () => {
  const { code, stderr } = await cli(['verify', '--config', 'empty.yaml']);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^batchtrail: worker\.dataConverter: .*empty\.ts exports no dataConverter\. Write: /,
  );
});
