/** What somebody does who tries it out: the demo, then `dev` in the same folder, and the commands. */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { docBlocks, docCommands } from '../support/docCommands.js';
import { temporalCli } from '../support/temporal.js';
import type { Ended } from './runCli.js';
import { endOf, runCli, startCli, untilPrinted } from './runCli.js';

const env: Record<string, string> = { BATCHTRAIL_TEMPORAL_CLI: temporalCli() };
let folder: string;
let demo: Ended;
let dev: ChildProcess;
let devEnded: Promise<Ended>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-newcomer-'));
  demo = await cli('demo');
  await startDev();
});

afterAll(() => rmSync(folder, { recursive: true }));

function cli(...args: string[]): Promise<Ended> {
  return runCli(args, { cwd: folder, env });
}

async function startDev(): Promise<void> {
  dev = startCli(['dev'], { cwd: folder, env });
  devEnded = endOf(dev);
  const printed = await untilPrinted(dev, /Ctrl-C stops everything/);
  env.TEMPORAL_ADDRESS = / --address (\S+)/.exec(printed)![1]!;
}

async function verdicts(): Promise<Record<string, number>> {
  const { stdout } = await cli('verify', '--json');
  return (JSON.parse(stdout) as { verdicts: Record<string, number> }).verdicts;
}

/** Without what differs from run to run, and the width of columns. */
function likeAnyRun(line: string): string {
  return line
    .replace(/(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(?:\.\d{3})?/g, 'TIME')
    .replace(/\d+(?:\.\d+)? m?s\b/g, 'DURATION')
    .replace(/ +/g, ' ');
}

it('README shows what the demo prints', () => {
  const printed = demo.stdout.split('\n').map(likeAnyRun);
  const shown = docBlocks('README.md', 'text').join('').split('\n').map(likeAnyRun);
  expect(shown.length).toBeGreaterThan(12);
  let at = 0;
  for (const line of shown.filter((text) => text !== '…' && text !== '')) {
    const [begin = '', ...cut] = line.split('…');
    const found = printed.findIndex(
      (text, index) => index >= at && (cut.length > 0 ? text.startsWith(begin) : text === begin),
    );
    expect({ line, isPrinted: found >= 0 }).toEqual({ line, isPrinted: true });
    at = found + 1;
  }
});

it('dev knows the runs of the demo, which verify finds certified', async () => {
  expect(demo).toMatchObject({ code: 0, stderr: '' });
  expect(await verdicts()).toEqual({ certified: 4 });
});

it('every command of README that ends by itself does what it says, with the numbers of the demo', async () => {
  const commands = docBlocks('README.md', 'sh')
    .join('')
    .split('\n')
    .flatMap((line) => /^npx batchtrail (.+?)(?: +#.*)?$/.exec(line)?.[1] ?? [])
    .filter((command) => !/^(?:dev|worker)$|>/.test(command));
  expect(commands.length).toBeGreaterThan(10);
  const outputs = new Map<string, string>();
  for (const command of commands) {
    const args = command.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ''));
    const { code, stdout, stderr } = await cli(...args);
    expect({ command, code, stderr: code === 0 ? '' : stderr }).toEqual({ command, code: 0, stderr: '' });
    outputs.set(command, stdout);
  }
  expect(outputs.get('show 4')).toMatch(/^Batch 4 .* Error\n/);
  expect(outputs.get('rows 3')).toMatch(/DWH\.Fact_Sales +.*830/);
  expect(outputs.get('replay 4 --from failure')).toMatch(/^4 +Success /);
  // The replay is a batch, too.
  await expect.poll(async () => (await verdicts()).certified).toBeGreaterThan(4);
});

it('the transfer that its page begins with works there', async () => {
  const [, ...words] = docCommands('docs/transfers.md')[0]!;
  expect(words.slice(0, 4)).toEqual(['workflow', 'start', '--type', 'historicalTransfer']);
  await promisify(execFile)(temporalCli(), words, { env: { ...process.env, ...env } });
  const newest = async (): Promise<unknown> =>
    (JSON.parse((await cli('batches', '--json')).stdout) as unknown[])[0];
  await expect.poll(newest).toMatchObject({
    PipelineName: 'historicalTransfer',
    WorkflowID: 'copy-1',
    Status: 'Success',
    RowsProcessed: 830,
  });
});

it('a second dev in the folder, or a demo, is refused', async () => {
  for (const command of ['dev', 'demo']) {
    const { code, stderr } = await cli(command);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('Another batchtrail dev or demo is at work in') as string,
    });
  }
});

it('a dev that was killed is followed by one that still knows all of it', async () => {
  const before = await verdicts();
  dev.kill('SIGKILL');
  await devEnded;
  await startDev();
  const after = await verdicts();
  expect({ after, isMore: after.certified! >= before.certified! }).toEqual({
    after: { certified: after.certified },
    isMore: true,
  });
  dev.kill('SIGINT');
  expect((await devEnded).code).toBe(0);
});
