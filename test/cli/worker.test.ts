import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PipelineLog } from '../../src/domain/model.js';
import { connectClient, temporalAddress } from '../support/temporal.js';
import type { Ended } from './runCli.js';
import { endOf, runCli, startCli, untilPrinted } from './runCli.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-worker-'));
  // The user's files import Temporal's packages.
  const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));
  symlinkSync(packages, join(folder, 'node_modules'), 'junction');
});

afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

const environment = (): Record<string, string> => ({ TEMPORAL_ADDRESS: temporalAddress() });

describe('worker', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)("runs the user's pipelines until %s", async (signal) => {
    const taskQueue = `cli-worker-${signal}`;
    write(
      'workflows.ts',
      `import { proxyActivities } from '@temporalio/workflow';
       import type * as activities from './activities.js';
       const { greet } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });
       export async function greeting(name: string): Promise<string> { return greet(name); }
       export default async function anyOther(): Promise<string> { return 'handled by default'; }`,
    );
    write(
      'activities.ts',
      `import { log } from '@temporalio/activity';
       export const NOT_A_FUNCTION = 1;
       export async function greet(name: string): Promise<string> { log.info('greeting somebody'); return \`Hello \${name}\`; }`,
    );
    write(
      'batchtrail.yaml',
      `worker: { taskQueue: ${taskQueue}, workflowsPath: ./workflows.ts, activities: ./activities.ts }`,
    );
    const child = startCli(['worker'], { cwd: folder, env: environment() });
    const ended = endOf(child);
    await untilPrinted(child, /\n/);

    const client = await connectClient();
    const execute = (type: string, args: unknown[]): Promise<unknown> =>
      client.workflow.execute(type, { args, taskQueue, workflowId: `${taskQueue}-${type}` });
    expect(await execute('greeting', ['Ann'])).toBe('Hello Ann');
    expect(await execute('nobodyExportsThis', [])).toBe('handled by default');
    await expect(execute('northwindSalesElt', [{ source: 5 }])).rejects.toMatchObject({
      cause: { type: 'BadInput' },
    });
    await client.connection.close();

    child.kill(signal);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    const audit = `sqlite:${join(folder, '.batchtrail')}`;
    expect(stdout).toBe(
      `Polling ${temporalAddress()}, namespace default, task queue ${taskQueue}, audit store ${audit}\n`,
    );
    expect(stderr).toContain('greeting somebody');
    expect(stderr).not.toContain('Workflow bundle created');

    const batches = await runCli(['batches', '--json', '--limit', '3'], { cwd: folder });
    expect((JSON.parse(batches.stdout) as PipelineLog[]).map(({ Status }) => Status)).toEqual([
      'Error',
      'Success',
      'Success',
    ]);
  });
});

describe('worker refuses', () => {
  async function refusal(yaml: string, env = environment()): Promise<Ended> {
    write('refused.yaml', yaml);
    const ended = await runCli(['worker', '--config', 'refused.yaml'], { cwd: folder, env });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    return ended;
  }

  it.each(['workflowsPath', 'activities'])('a missing file, naming worker.%s', async (key) => {
    const { stderr } = await refusal(`worker: { ${key}: ./missing.ts }`);
    expect(stderr).toBe(`batchtrail: worker.${key}: there is no file ${join(folder, 'missing.ts')}\n`);
  });

  it('a workflow with the name of a ready-made one, wherever it is exported from', async () => {
    write('clashing.ts', "export * from './deeper.js';");
    write('deeper.ts', 'export async function elt(): Promise<void> {}');
    const { stderr } = await refusal('worker: { workflowsPath: ./clashing.ts }');
    expect(stderr).toBe(
      `batchtrail: worker.workflowsPath: ${join(folder, 'clashing.ts')} exports elt, which is the name of a ready-made workflow. Give yours another name\n`,
    );
  });

  it('an activity with the name of a ready-made one', async () => {
    write('clashing.ts', 'export async function countRows(): Promise<void> {}');
    const { stderr } = await refusal('worker: { activities: ./clashing.ts }');
    expect(stderr).toMatch(/^batchtrail: The activity name countRows is taken[^\n]*\n$/);
  });

  it('activities that cannot be loaded, or are none', async () => {
    write('broken.ts', 'export const a = ;');
    const broken = await refusal('worker: { activities: ./broken.ts }');
    expect(broken.stderr).toMatch(/^batchtrail: worker\.activities: .*broken\.ts can't be loaded: [^\n]*\n$/);
    write('empty.ts', 'export const a = 1;');
    const empty = await refusal('worker: { activities: ./empty.ts }');
    expect(empty.stderr).toBe(
      `batchtrail: worker.activities: ${join(folder, 'empty.ts')} exports no function\n`,
    );
  });

  it('an audit store that cannot be opened, before it takes any work', async () => {
    write('file', '');
    const { stderr } = await refusal('audit: { url: "sqlite:./file/audit" }');
    expect(stderr).toMatch(/^batchtrail: [^\n]*\n$/);
  });

  it('a Temporal that is not there', async () => {
    const { stderr } = await refusal('', { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(stderr).toMatch(
      /^batchtrail: Temporal can't be reached at 127\.0\.0\.1:1: [^\n]*TEMPORAL_ADDRESS\n$/,
    );
  });
});
