/** Runs the command line as people do: in a process of its own. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { typeScriptArguments } from '../../src/ownScript.js';
import { withoutTemporalVariables } from '../../src/dev/temporalEnv.js';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** A test that failed may have left its process running. */
const started: ChildProcess[] = [];
afterAll(() => started.forEach((child) => child.kill('SIGKILL')));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd: string;
  env?: Record<string, string>;
}

export function startCli(args: readonly string[], { cwd, env }: RunOptions): ChildProcess {
  const child = spawn(process.execPath, [...typeScriptArguments(), MAIN, ...args], {
    cwd,
    env: {
      ...withoutTemporalVariables(),
      BATCHTRAIL_CONFIG: '',
      BATCHTRAIL_AUDIT_URL: '',
      DEBUG: '',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  return child;
}

export function endOf(child: ChildProcess): Promise<Ended> {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (part: string) => (text[name] += part));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, ...text }));
  });
}

export function runCli(args: readonly string[], options: RunOptions): Promise<Ended> {
  return endOf(startCli(args, options));
}

/** Waits until the child has printed this, and answers what it printed up to then. */
export function untilPrinted(child: ChildProcess, wanted: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (part: string) => {
        text += part;
        if (wanted.test(text)) resolve(text);
      });
    }
    child.once('close', () => reject(new Error(`ended before it printed ${wanted}:\n${text}`)));
  });
}
