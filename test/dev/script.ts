/** Runs a TypeScript file of this folder in a Node process of its own, as the leader of its own process group. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { typeScriptArguments } from '../../src/ownScript.js';

export interface Script {
  readonly child: ChildProcess & { pid: number };
  /** What it wrote to stdout so far. */
  readonly lines: string[];
  /** Settles when it is gone, with its exit code or signal. */
  readonly ended: Promise<number | string>;
  /** Waits until stdout has a line that starts so, and returns the rest of it. */
  said(start: string): Promise<string>;
}

export function runScript(name: string, ...args: string[]): Script {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [...typeScriptArguments(), file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  const said = async (start: string): Promise<string> => {
    for (;;) {
      const line = lines.find((candidate) => candidate.startsWith(start));
      if (line !== undefined) return line.slice(start.length);
      const more = await Promise.race([once(output, 'line'), ended.then(() => undefined)]);
      if (!more)
        throw new Error(`${name} ended without saying ${JSON.stringify(start)}:\n${lines.join('\n')}`);
    }
  };
  return { child: child as Script['child'], lines, ended, said };
}
