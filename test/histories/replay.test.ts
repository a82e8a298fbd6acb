/**
 * Histories of earlier versions must replay with today's code, with the plugin and without it, whoever wrote them.
 * `northwindSalesElt` was written by an audited worker, `threeSteps` by one without the plugin.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchtrailPlugin } from '../../src/index.js';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const histories = {
  northwindSalesElt: at('../../src/workflows/index.ts'),
  threeSteps: at('../endings/workflows.ts'),
};

let folder: string;
const logged: string[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-replay-'));
  Runtime.install({ logger: new DefaultLogger('WARN', ({ message }) => logged.push(message)) });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(Object.entries(histories))('the stored history of %s replays', (name, workflowsPath) => {
  const history: unknown = JSON.parse(readFileSync(at(`./${name}.json`), 'utf8'));

  it('with the plugin, and writes nothing', async () => {
    const plugins = [new BatchtrailPlugin({ audit: { url: `sqlite:${folder}/audit` } })];
    await Worker.runReplayHistory({ workflowsPath, plugins }, history, name);
    expect(logged).toEqual([]);
    expect(() => readFileSync(join(folder, 'audit', 'Audit.db'))).toThrow(/ENOENT/);
  });

  it('without it', async () => {
    await Worker.runReplayHistory({ workflowsPath }, history, name);
  });
});
