/** What runs in Temporal's workflow isolate must bundle, and bring nothing of the worker's side with it. */
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { BundleOptions, LogEntry } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { BUNDLE_MARKER } from '../../src/interceptors/marker.js';
import { BatchtrailPlugin } from '../../src/plugin.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SANDBOX =
  /^src\/(domain\/.+|workflows\/.+|workflow|interceptors\/(marker|protocol|runState|workflow))\.ts$/;

const plugin = new BatchtrailPlugin({
  audit: { url: `sqlite:${join(tmpdir(), 'batchtrail-never-opened')}` },
});

interface Bundle {
  readonly code: string;
  /** This project's files in it, from its root. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

async function bundle(file: string, options: Partial<BundleOptions> = {}): Promise<Bundle> {
  const logged: LogEntry[] = [];
  const { code } = await bundleWorkflowCode({
    ...options,
    workflowsPath: join(ROOT, file),
    logger: new DefaultLogger('TRACE', (entry) => logged.push(entry)),
  }).catch((error: unknown) => {
    throw new Error([String(error), ...logged.map(({ message }) => message)].join('\n'), { cause: error });
  });
  const warnings = logged
    .filter(({ level, message }) => ['WARN', 'ERROR'].includes(level) || message.includes('WARNING in'))
    .map(({ message }) => message);
  return { code, files: sourcesOf(code).filter((source) => /^src\/.*\.ts$/.test(source)), warnings };
}

/** The bundler writes the path of every module into the source map at the bundle's end. */
function sourcesOf(code: string): string[] {
  const map = /\/\/# sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)\s*$/.exec(code)?.[1];
  if (!map) throw new Error('The bundle has no inline source map');
  const { sources } = JSON.parse(Buffer.from(map, 'base64').toString()) as { sources: string[] };
  return sources.map((source) => relative(ROOT, source).replaceAll('\\', '/')).sort();
}

const strangers = ({ files }: Bundle) => files.filter((file) => !SANDBOX.test(file));

describe('the ready-made workflows with the interceptors that the plugin adds', () => {
  const bundled = bundle('src/workflows/index.ts', { plugins: [plugin] });

  it('bundle without a warning', async () => {
    expect((await bundled).warnings).toEqual([]);
  });

  it('carry the marker that the plugin looks for in prebuilt bundles', async () => {
    expect((await bundled).code).toContain(BUNDLE_MARKER);
    expect((await bundle('src/workflows/index.ts')).code).not.toContain(BUNDLE_MARKER);
  });

  it('bring only sandbox files', async () => {
    const all = await bundled;
    expect(all.files).toEqual(
      expect.arrayContaining([
        'src/workflows/index.ts',
        'src/interceptors/workflow.ts',
        'src/interceptors/protocol.ts',
      ]),
    );
    expect(strangers(all)).toEqual([]);
  });
});

describe('the package entry for workflow code', () => {
  it('bundles without a warning and brings only sandbox files', async () => {
    const bundled = await bundle('src/workflow.ts');
    expect(bundled.warnings).toEqual([]);
    expect(bundled.files).toContain('src/workflow.ts');
    expect(strangers(bundled)).toEqual([]);
  });

  it('does not make a bundle look as if the plugin had built it', async () => {
    expect((await bundle('src/workflow.ts')).code).not.toContain(BUNDLE_MARKER);
  });
});

describe('these tests would notice', () => {
  it('a Node built-in', async () => {
    await expect(bundle('src/audit/eventID.ts')).rejects.toThrow('node:crypto');
  });

  it('the package’s Node API', async () => {
    await expect(bundle('src/index.ts')).rejects.toThrow(/node:|disallowed modules/);
  });

  it('a file of the worker’s side that happens to bundle', async () => {
    expect(strangers(await bundle('src/secrets.ts'))).toEqual(['src/secrets.ts']);
  });
});
