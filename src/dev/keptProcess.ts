/** Starts commands that must not outlive this process, however it ends. See `keeper.ts`. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { ownScript } from '../ownScript.js';

const REMEMBERED_LINES = 12;

export interface KeptProcess {
  /** The command's own process, not its keeper's. */
  readonly pid: number;
  /** Settles when the command is gone, with how it ended: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** The last lines of its stderr. */
  lastErrors(): string;
  /** Lets this process come to its natural end while the command still runs; the keeper then stops the command. */
  unref(): void;
  /** Asks the command to end, makes it after some seconds, and waits until it is gone. */
  stop(): Promise<void>;
}

export interface KeptProcessOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  onOutput?: (line: string) => void;
}

interface KeeperMessage {
  pid?: number;
  ended?: string;
}

export async function startKept(
  command: string,
  args: string[],
  { onOutput, ...options }: KeptProcessOptions = {},
): Promise<KeptProcess> {
  const script = ownScript(new URL('./keeper.js', import.meta.url));
  const keeper = fork(script.file, [command, ...args], {
    ...options,
    execArgv: script.nodeArguments,
    // A group of its own: Ctrl-C in a terminal reaches every process of the foreground group, and a server that dies
    // at once would leave the worker, which is still shutting down, without one.
    detached: true,
    // Undocumented for `fork`, passed on to `spawn`: no console window on Windows.
    ...{ windowsHide: true },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const stdout = keeper.stdout as Socket;
  const stderr = keeper.stderr as Socket;

  const errors: string[] = [];
  createInterface({ input: stderr }).on('line', (line) => {
    errors.push(line);
    if (errors.length > REMEMBERED_LINES) errors.shift();
  });
  createInterface({ input: stdout }).on('line', (line) => onOutput?.(line));

  let ending = 'its keeper was killed';
  const closed = once(keeper, 'close');
  const ended = closed.then(() => ending);
  const pid = await new Promise<number | undefined>((resolve) => {
    keeper.on('message', (message: KeeperMessage) => {
      if (message.ended !== undefined) ending = message.ended;
      resolve(message.pid);
    });
    keeper.once('close', () => resolve(undefined));
  });
  if (pid === undefined) {
    await closed;
    throw new Error([`${command} can't be run: ${ending}`, ...errors].join('\n'));
  }

  return {
    pid,
    ended,
    lastErrors: () => errors.join('\n'),
    unref() {
      for (const handle of [keeper, keeper.channel, stdout, stderr]) handle?.unref();
    },
    async stop() {
      for (const handle of [keeper, keeper.channel, stdout, stderr]) handle?.ref();
      // Not `disconnect()`: after that Node never emits `close`. A keeper that ended just now does not hear it, which is fine.
      if (keeper.connected) keeper.send('stop', () => undefined);
      await ended;
    },
  };
}
