/** A Temporal development server of our own: started here, used by nobody else, gone when this process is gone. */
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startKept, type KeptProcess } from './keptProcess.js';
import { checkPort, freePorts, LOOPBACK } from './ports.js';
import { reportWhile, type Report } from './report.js';
import { FAST_NAMESPACES, keepLong } from './retention.js';
import { findTemporal } from './temporalExecutable.js';
import { bypassProxy, withoutTemporalVariables } from './temporalEnv.js';

const START_TIMEOUT_MS = 60_000;
const MAX_ATTEMPTS = 3;
// Nothing is lost with the process; a power cut may cost the last moments.
const FEW_SYNCS = ['journal_mode=WAL', 'synchronous=NORMAL'].flatMap((pragma) => ['--sqlite-pragma', pragma]);
// Go's words for EADDRINUSE on POSIX, and on Windows.
const PORT_TAKEN = /address already in use|Only one usage of each socket address/;

export interface DevServer {
  readonly address: string;
  /** The Web UI, when it was asked for. */
  readonly uiUrl: string | undefined;
  readonly namespace: 'default';
  readonly pid: number;
  /** The Temporal CLI that runs it. */
  readonly executable: string;
  stop(): Promise<void>;
}

export interface DevServerOptions {
  report: Report;
  /** Starts the Web UI too. Default: no. */
  ui?: boolean;
  /** Default: a free port. */
  port?: number;
  /** Default: a free port. */
  uiPort?: number;
  /** Keeps workflows in this file, also long after their ends. Default: in memory, and for a day. */
  dbFile?: string;
}

export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { report } = options;
  bypassProxy(LOOPBACK);
  const executable = await findTemporal(report);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(executable, options);
    } catch (error) {
      // Between choosing a port and listening on it, another program may take it.
      if (!(error instanceof PortTaken) || attempt === MAX_ATTEMPTS) throw error;
      report('Temporal server: another program was faster at taking a port, trying again');
    }
  }
}

class PortTaken extends Error {}

async function startOnce(executable: string, options: DevServerOptions): Promise<DevServer> {
  const [port, uiPort] = await choosePorts(options);
  const address = `${LOOPBACK}:${port}`;
  const uiUrl = options.ui ? `http://${LOOPBACK}:${uiPort}` : undefined;
  options.report(`Temporal server: starting at ${address}`);

  let announce: () => void;
  const announced = new Promise<void>((resolve) => (announce = resolve));
  const { dbFile } = options;
  const child = await startKept(executable, serverArguments(port, uiPort, options), {
    env: withoutTemporalVariables(),
    // The server makes a URL of the file's name, as it is: a plain name in its own folder is right in one.
    ...(dbFile === undefined ? {} : { cwd: dirname(dbFile) }),
    onOutput: (line) => {
      if (line.endsWith(`:${port}`)) announce();
    },
  });
  try {
    const ready = Promise.race([
      // Its own word first: whoever answers at this address before that is somebody else.
      announced.then(() => answers(address, dbFile !== undefined)),
      child.ended.then((ending) => failStart(child, ending, dbFile)),
      delay(START_TIMEOUT_MS, undefined, { ref: false }).then(() =>
        failStart(child, `no answer at ${address} after ${START_TIMEOUT_MS / 1000} s`),
      ),
    ]);
    await reportWhile(ready, options.report, (elapsed) => `Temporal server: starting… ${elapsed}`, 5);
  } catch (error) {
    await child.stop();
    throw error;
  }
  child.unref();
  options.report(`Temporal server: ready at ${address}${uiUrl ? `, Web UI at ${uiUrl}` : ''}`);
  return { address, uiUrl, namespace: 'default', pid: child.pid, executable, stop: () => child.stop() };
}

async function choosePorts({ port, uiPort }: DevServerOptions): Promise<[number, number]> {
  for (const asked of [port, uiPort]) if (asked !== undefined) await checkPort(asked);
  const [free, uiFree] = (await freePorts(2)) as [number, number];
  return [port ?? free, uiPort ?? uiFree];
}

function serverArguments(port: number, uiPort: number, { ui, dbFile }: DevServerOptions): string[] {
  return [
    ...['server', 'start-dev', '--log-level', 'error', '--ip', LOOPBACK, '--port', String(port)],
    ...(ui ? ['--ui-port', String(uiPort)] : ['--headless']),
    ...(dbFile === undefined ? [] : ['--db-filename', basename(dbFile), ...FEW_SYNCS, ...FAST_NAMESPACES]),
  ];
}

/** Resolves when the server knows its namespace: from then on it takes workflows. */
async function answers(address: string, keepsLong: boolean): Promise<void> {
  const { Connection } = await import('@temporalio/client');
  const connection = await Connection.connect({ address, connectTimeout: START_TIMEOUT_MS });
  try {
    await connection.workflowService.describeNamespace({ namespace: 'default' });
    if (keepsLong) await keepLong(connection.workflowService);
  } finally {
    await connection.close();
  }
}

function failStart(child: KeptProcess, reason: string, dbFile?: string): never {
  const errors = child.lastErrors();
  const Failure = PORT_TAKEN.test(errors) ? PortTaken : Error;
  // Another version of the CLI may have made it.
  const remedy =
    dbFile === undefined || Failure === PortTaken
      ? ''
      : `. With its file ${dbFile} moved away, and those beside it whose names begin alike, it begins anew`;
  const said = errors ? `. It said:\n${errors}` : '';
  throw new Failure(`The Temporal server did not start (${reason})${remedy}${said}`);
}
