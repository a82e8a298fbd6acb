/** The place of one worker: its processes come and go, its outbox stays. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { typeScriptArguments } from '../../src/ownScript.js';
import { withoutTemporalVariables } from '../../src/dev/temporalEnv.js';
import type { OutboxMessage } from './outboxLimit.js';
import type { WorkerSettings } from './worker.js';

const SCRIPT = fileURLToPath(new URL('./worker.ts', import.meta.url));
const GRACE_MS = 15_000;
const PAUSE_AFTER_CRASH_MS = 300;

/** One that the driver killed. */
export interface KilledProcess {
  readonly process: string;
  readonly pid: number;
  readonly at: number;
}

export class WorkerSeat {
  readonly killed: KilledProcess[] = [];
  /** Processes that ended though nobody wanted them to, with how. */
  readonly crashes: string[] = [];
  #child: ChildProcess | undefined;
  #name = '';
  #count = 0;
  #isWanted = false;

  constructor(
    readonly number: number,
    readonly folder: string,
    readonly settings: Omit<WorkerSettings, 'name' | 'outboxFile'>,
  ) {}

  start(): void {
    this.#isWanted = true;
    this.#name = `worker${this.number}-${++this.#count}`;
    const settings: WorkerSettings = {
      ...this.settings,
      name: this.#name,
      outboxFile: join(this.folder, `outbox-${this.number}.db`),
    };
    const log = openSync(join(this.folder, `${this.#name}.log`), 'a');
    const child = fork(SCRIPT, [JSON.stringify(settings)], {
      execArgv: typeScriptArguments(),
      env: withoutTemporalVariables(),
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    const name = this.#name;
    child.once('exit', (code, signal) => {
      if (this.#isWanted && this.#child === child) void this.#afterCrash(name, signal ?? `exit code ${code}`);
    });
  }

  /** As a process supervisor does. */
  async #afterCrash(name: string, how: string): Promise<void> {
    this.crashes.push(`${name}: ${how}`);
    await delay(PAUSE_AFTER_CRASH_MS);
    if (this.#isWanted) this.start();
  }

  /** SIGKILL; returns when the process is gone. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    const child = this.#child!;
    if (hasEnded(child)) return;
    this.killed.push({ process: this.#name, pid: child.pid!, at: Date.now() });
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Lets it finish its work; a worker that can't is killed. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    const child = this.#child;
    if (!child || hasEnded(child)) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const inTime = await Promise.race([gone, delay(GRACE_MS, undefined, { ref: false })]);
    if (!inTime) await this.kill();
  }

  send(message: OutboxMessage): void {
    if (this.#child?.connected) this.#child.send(message);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
