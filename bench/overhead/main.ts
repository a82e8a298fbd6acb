/**
 * `npm run bench:overhead`: what the audit costs. The variants take turns, round by round, on one dev server, and
 * each ratio is formed within its round, so that a machine that drifts does not tell a story of its own.
 * Options: --rounds (9), --runs (300).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import { startDevServer } from '../../src/dev/devServer.js';
import { typeScriptArguments } from '../../src/ownScript.js';
import { spread } from '../spread.js';
import type { Figures, Settings } from './measure.js';
import { pluginsOf, VARIANTS } from './variants.js';
import type { Variant } from './variants.js';

const TITLES = {
  batchtrail: 'batchtrail: every row closed, histories read afterwards where the worker was busy',
  certified: 'batchtrail: every run certified within the time',
  opentelemetry: 'opentelemetry',
};

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, runs: { type: 'string', default: '300' } },
});
const rounds = Number(values.rounds);
const runs = Number(values.runs);
const report = (line: string): void => console.error(line);

Runtime.install({ logger: new DefaultLogger('ERROR') });
const folder = mkdtempSync(join(tmpdir(), 'batchtrail-bench-'));
const server = await startDevServer({ report });
const measured = new Map<Variant, Figures[]>(VARIANTS.map((variant) => [variant, []]));
try {
  const bundles = await bundleAll();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < VARIANTS.length; turn++) {
      const variant = VARIANTS[(round + turn) % VARIANTS.length]!;
      const figures = measure(variant, bundles.get(variant)!, join(folder, `${variant}-${round}`));
      measured.get(variant)!.push(figures);
      report(`round ${round + 1} of ${rounds}, ${variant}: ${figures.runsPerSecond.toFixed(1)} runs/s`);
    }
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
print();

async function bundleAll(): Promise<Map<Variant, string>> {
  const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
  const files = new Map<Variant, string>();
  for (const variant of VARIANTS) {
    const file = join(folder, `${variant}.js`);
    const plugins = pluginsOf(variant, `sqlite:${folder}`);
    const bundle = await bundleWorkflowCode({ workflowsPath, plugins, logger: Runtime.instance().logger });
    writeFileSync(file, bundle.code);
    files.set(variant, file);
  }
  return files;
}

function measure(variant: Variant, bundleFile: string, auditFolder: string): Figures {
  const settings: Settings = {
    variant,
    address: server.address,
    serverPid: server.pid,
    bundleFile,
    auditFolder,
    runs,
    atOnce: 50,
    sequentialRuns: 20,
  };
  const script = fileURLToPath(new URL('./measure.ts', import.meta.url));
  const output = execFileSync(
    process.execPath,
    [...typeScriptArguments(), script, JSON.stringify(settings)],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return JSON.parse(output.trim().split('\n').at(-1)!) as Figures;
}

function print(): void {
  console.log(
    `\n${runs} runs of 5 activities, 50 at once, ${rounds} rounds; ratio to the worker without a plugin`,
  );
  console.log('(median of the rounds, with the lowest and the highest)\n');
  const rows: Array<[string, (figures: Figures) => number | undefined]> = [
    ['throughput', (figures) => figures.runsPerSecond],
    ['worker CPU per run', (figures) => figures.workerCpuMsPerRun],
    ['worker and server CPU per run', (figures) => both(figures)],
    ['worker CPU, with deferred reads', (figures) => figures.workerCpuMsPerRun + figures.deferredCpuMsPerRun],
    ['latency of one run alone', (figures) => figures.sequentialMs],
  ];
  for (const variant of ['batchtrail', 'certified', 'opentelemetry'] as const) {
    console.log(TITLES[variant]);
    for (const [name, figure] of rows) console.log(`  ${name.padEnd(32)} ${ratios(variant, figure)}`);
  }
  const deferred = measured.get('batchtrail')!.map((figures) => figures.deferredCpuMsPerRun);
  console.log(
    `\nprocessor time per run of the histories that are read afterwards: ${spread(deferred, 2)} ms`,
  );
  const events = VARIANTS.map((variant) => `${variant} ${measured.get(variant)![0]!.historyEvents}`);
  console.log(`\nevents in one run's history: ${events.join(', ')}`);
}

function both({ workerCpuMsPerRun, serverCpuMsPerRun }: Figures): number | undefined {
  return serverCpuMsPerRun === undefined ? undefined : workerCpuMsPerRun + serverCpuMsPerRun;
}

function ratios(variant: Variant, figure: (figures: Figures) => number | undefined): string {
  const found = measured.get(variant)!.map((figures, round) => {
    const [own, plain] = [figure(figures), figure(measured.get('plain')![round]!)];
    return own === undefined || plain === undefined ? undefined : own / plain;
  });
  const known = found.filter((ratio) => ratio !== undefined);
  return known.length === 0 ? 'not known on this system' : spread(known, 2);
}
