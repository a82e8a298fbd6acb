import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { isAskedByCommands } from '../../src/cli/connect.js';
import type { PipelineLog } from '../../src/domain/model.js';
import { docCommands } from '../support/docCommands.js';
import { temporalCli } from '../support/temporal.js';
import { endOf, runCli, startCli, untilPrinted } from './runCli.js';

const run = promisify(execFile);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-dev-'));
  cpSync(fileURLToPath(new URL('../../examples/elt/', import.meta.url)), folder, { recursive: true });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Unless somebody has it already. */
async function takePort(port: number): Promise<void> {
  const listener = createServer().listen(port, '127.0.0.1');
  await once(listener, 'listening').catch(() => undefined);
  onTestFinished(() => void listener.close());
}

it('runs a server and a worker at other ports than those that are taken, prints lines that work when pasted, and leaves nothing behind', async () => {
  await takePort(7233);
  await takePort(8233);
  const child = startCli(['dev'], {
    cwd: folder,
    env: { TEMPORAL_ADDRESS: '127.0.0.1:1', BATCHTRAIL_TEMPORAL_CLI: temporalCli() },
  });
  const ended = endOf(child);
  const printed = await untilPrinted(child, /Ctrl-C stops everything/);
  const uiUrl = /Web UI at (http:\S+)/.exec(printed)![1]!;
  expect((await fetch(uiUrl)).status).toBe(200);
  for (const port of [7233, 8233])
    expect(printed).toMatch(new RegExp(`^Port ${port} is taken, using \\d+$`, 'm'));

  const [start, schedule, ...others] = printed
    .split('\n')
    .filter((line) => line.includes('northwindSalesElt'));
  expect(others).toEqual([]);
  const address = / --address (\S+)/.exec(start!)![1]!;
  expect(address).not.toMatch(/:7233$/);
  expect(printed).toContain(`, with TEMPORAL_ADDRESS=${address} in its environment`);
  await pasted(start!);
  await pasted(schedule!);
  const temporal = (...args: string[]): Promise<unknown> =>
    run(temporalCli(), [...args, '--address', address]);
  await temporal('workflow', 'result', '--workflow-id', 'sales-1');
  await temporal('schedule', 'trigger', '--schedule-id', 'sales');
  await expect.poll(batches).toMatchObject([
    { Status: 'Success', ScheduleID: 'sales' },
    { Status: 'Success', ScheduleID: null },
  ]);

  await temporal(...documented('temporal schedule create --schedule-id orders'));
  await temporal('schedule', 'trigger', '--schedule-id', 'orders');
  await expect
    .poll(
      async () => (await batches()).filter(({ PipelineName }) => PipelineName === 'incrementalTransfer'),
      {
        timeout: 20_000,
      },
    )
    .toMatchObject([{ Status: 'Success', RowsProcessed: 830 }]);

  // So says the example in the folder.
  const [example] = /(?<=temporal )workflow start .*/.exec(
    readFileSync(join(folder, 'batchtrail.yaml'), 'utf8'),
  )!;
  await run(temporalCli(), [...example.split(' '), '--address', address], { cwd: folder });
  await expect
    .poll(async () => (await batches()).filter(({ PipelineName }) => PipelineName === 'Orders_ELT'))
    .toMatchObject([{ Status: 'Success', RowsProcessed: 830 }]);

  child.kill('SIGINT');
  expect((await ended).code).toBe(0);
  expect(await answers(address)).toBe(false);
});

it('a demo in its folder leaves what waits there for the own connections, and says so', async () => {
  const before = await batches();
  const { code, stderr } = await runCli(['demo'], {
    cwd: folder,
    env: { BATCHTRAIL_TEMPORAL_CLI: temporalCli() },
  });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /has work of your own, which the demo's worker can't do: open runs: \d, Schedules: 2 \((?:orders, sales|sales, orders)\)\. Start the demo in another folder, or with BATCHTRAIL_AUDIT_URL=sqlite:\.\/demo in its environment and in that of the commands it prints\n$/,
    ) as string,
  });
  expect(await batches()).toEqual(before);
});

it('knows where the commands look that it prints', () => {
  const profiles = join(folder, 'temporal.toml');
  writeFileSync(profiles, '[profile.default]\n');
  vi.stubEnv('TEMPORAL_CONFIG_FILE', profiles);
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const [named, address, isAsked] of [
    [undefined, '127.0.0.1:7233', true],
    ['localhost:7233', '127.0.0.1:7233', true],
    [undefined, '127.0.0.1:7234', false],
    ['10.0.0.1:7233', '127.0.0.1:7233', false],
  ] as const) {
    vi.stubEnv('TEMPORAL_ADDRESS', named);
    expect({ named, address, isAsked: isAskedByCommands(address) }).toEqual({ named, address, isAsked });
  }
});

function pasted(line: string): Promise<unknown> {
  return run(line.trim(), { cwd: folder, shell: true });
}

async function batches(): Promise<PipelineLog[]> {
  const { stdout } = await runCli(['batches', '--json'], { cwd: folder });
  return JSON.parse(stdout) as PipelineLog[];
}

/** What the README says to do while `dev` runs. */
function documented(start: string): string[] {
  return docCommands('README.md')
    .find((words) => words.join(' ').startsWith(start))!
    .slice(1);
}

function answers(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(port) });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.unref();
  });
}
