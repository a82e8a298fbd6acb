/**
 * `npm run test:engines`: starts the servers that this machine can run, holds every engine to the contract, and says
 * which engine passed what. `--require postgres,snowflake` makes it a failure when one of these was not tried.
 * Other arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../endpoints/endpoint.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const arguments_ = process.argv.slice(2);
const requireAt = arguments_.indexOf('--require');
const required =
  requireAt < 0 ? [] : (arguments_.splice(requireAt, 2)[1] ?? '').split(',').filter((name) => name);

/** The variable of each server, and how to start one. */
const SERVERS: Record<string, { variable: string; start?: () => Promise<Endpoint> }> = {
  postgres: {
    variable: 'TEST_POSTGRES_URL',
    start: async () => (await import('../endpoints/postgres.js')).startPostgres(),
  },
  snowflake: {
    variable: 'TEST_SNOWFLAKE_URL',
    start: async () => (await import('../endpoints/snowflake.js')).startSnowflake(),
  },
  mssql: { variable: 'TEST_MSSQL_URL' },
};
for (const name of required) {
  if (name !== 'sqlite' && !Object.hasOwn(SERVERS, name)) {
    throw new Error(
      `--require: no engine ${JSON.stringify(name)}. Known: sqlite, ${Object.keys(SERVERS).join(', ')}`,
    );
  }
}

interface VitestReport {
  testResults: Array<{
    name: string;
    status: string;
    message: string;
    assertionResults: Array<{ ancestorTitles: string[]; title: string; status: string }>;
  }>;
}

const folder = mkdtempSync(join(tmpdir(), 'batchtrail-engines-'));
const started: Endpoint[] = [];
/** Why a server is not there, by its scheme. */
const missing = new Map<string, string>();
process.exitCode = 1;
try {
  for (const [name, { variable, start }] of Object.entries(SERVERS)) {
    if (process.env[variable]) continue;
    if (!start) {
      missing.set(name, `${variable} is not set`);
      continue;
    }
    process.stderr.write(`Starting ${name}\n`);
    try {
      const endpoint = await start();
      started.push(endpoint);
      process.env[variable] = endpoint.url;
    } catch (error) {
      missing.set(name, (error as Error).message.split('\n')[0]!);
    }
  }
  const results = join(folder, 'results.json');
  await runVitest(results);
  process.exitCode = await summarize(JSON.parse(readFileSync(results, 'utf8')) as VitestReport);
} finally {
  await Promise.allSettled(started.map((endpoint) => endpoint.stop()));
  rmSync(folder, { recursive: true, force: true });
}

async function runVitest(results: string): Promise<void> {
  const package_ = createRequire(import.meta.url).resolve('vitest/package.json');
  const child = spawn(
    process.execPath,
    [
      ...[join(dirname(package_), 'vitest.mjs'), 'run', '--config', join(here, 'vitest.config.ts')],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${results}`],
      ...arguments_,
    ],
    { stdio: 'inherit' },
  );
  // Whoever stops this must find nothing left: vitest ends first, then what was started for it.
  const stop = (): void => void child.kill();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  await once(child, 'close');
}

/** Prints the table, and answers the exit code. */
async function summarize(report: VitestReport): Promise<number> {
  const { ENGINES } = await import('./engines.js');
  const rows: string[][] = [];
  const notes: string[] = [];
  let isGood = true;
  // A file that does not even load has no failed case, and has failed nevertheless.
  for (const { name, status, message, assertionResults } of report.testResults) {
    if (status !== 'failed' || assertionResults.length > 0) continue;
    isGood = false;
    notes.push(`${name} did not run: ${message.split('\n')[0]}`);
  }
  const all = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  for (const engine of ENGINES) {
    const own = all.filter(({ ancestorTitles }) => ancestorTitles[0] === engine.name);
    const count = (status: string): number => own.filter((one) => one.status === status).length;
    const [passed, failed] = [count('passed'), count('failed')];
    if (failed > 0) isGood = false;
    if (engine.absent !== undefined) {
      const why = missing.get(engine.scheme) ?? engine.absent;
      rows.push([engine.name, '-', '-', '-', 'all']);
      notes.push(`${engine.name} was not tried: ${why}`);
    } else {
      const skipped = own.filter(({ status }) => status !== 'passed' && status !== 'failed');
      rows.push([engine.name, await engine.version(), passed, failed, skipped.length].map(String));
      const reasons = new Map<string, number>();
      for (const { title } of skipped) {
        const reason = /\(skipped: (.*)\)$/s.exec(title)?.[1] ?? 'not chosen, or skipped by the case itself';
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      for (const [reason, cases] of reasons) notes.push(`${engine.name}, ${cases} skipped: ${reason}`);
    }
    if (required.includes(engine.scheme) && passed === 0) {
      isGood = false;
      notes.push(`${engine.name} is required (--require), and no case of it has passed`);
    }
  }
  const table = [['engine', 'version', 'passed', 'failed', 'skipped'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  console.log(`\n${[...lines, '', ...notes].join('\n')}`);
  return isGood ? 0 : 1;
}
