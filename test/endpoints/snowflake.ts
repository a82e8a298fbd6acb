/**
 * The nearest thing to Snowflake that runs on one's own machine: `snowflake/endpoint.py`, in a Python environment that is
 * made once per user. What it can't show is in docs/engines.md.
 */
import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder, lockCache } from '../../src/dev/cacheFolder.js';
import { startKept } from '../../src/dev/keptProcess.js';
import { reportWhile, type Report } from '../../src/dev/report.js';
import { NotOnThisMachine, type Endpoint } from './endpoint.js';

const SCRIPT = fileURLToPath(new URL('./snowflake/endpoint.py', import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL('./snowflake/requirements.txt', import.meta.url));
/** fakesnow's. */
const OLDEST_PYTHON = { major: 3, minor: 11 };
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
const ON_WINDOWS = process.platform === 'win32';
const run = promisify(execFile);

export interface SnowflakeEndpoint extends Endpoint {
  /** The same place for another of the endpoint's users: WORKER, READER or STRANGER. */
  urlOf(user: string): string;
  /** What it was told to run since it started, without what is in the binds. */
  statements(): Promise<Array<{ text: string; tag: string | null }>>;
  /** Ends it as a crash does, and starts it again at the same address with the same data. */
  restart(): Promise<void>;
}

export interface SnowflakeOptions {
  /** How long each statement takes at least, as a real one does. Default: 0. */
  readonly statementMs?: number;
  /** How long others wait for a transaction whose session is gone or does nothing. Default: 300. */
  readonly idleSeconds?: number;
  /** Where the lines about the first installation go. Default: stderr. */
  readonly report?: Report;
}

export async function startSnowflake({
  statementMs = 0,
  idleSeconds = 300,
  report = (line) => process.stderr.write(`Snowflake endpoint: ${line}\n`),
}: SnowflakeOptions = {}): Promise<SnowflakeEndpoint> {
  const python = await environment(report);
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-snowflake-'));
  const password = randomBytes(12).toString('hex');
  const env = {
    ...process.env,
    ENDPOINT_PASSWORD: password,
    ENDPOINT_STATEMENT_MS: String(statementMs),
    ENDPOINT_IDLE_SECONDS: String(idleSeconds),
  };
  const start = (...port: string[]): Promise<Running> => startScript(python, [folder, ...port], env);
  try {
    let server = await start();
    const { port, version } = server;
    const access = `http://127.0.0.1:${port}`;
    const urlOf = (user: string): string =>
      `snowflake://${user}:${password}@local/BATCHTRAIL?accessUrl=${encodeURIComponent(access)}`;
    return {
      url: urlOf('OWNER'),
      urlOf,
      version,
      statements: async () =>
        (await (await fetch(`${access}/statements`)).json()) as Array<{ text: string; tag: string | null }>,
      async restart() {
        await end(server, 'SIGKILL');
        server = await start(String(port));
      },
      async stop() {
        await end(server);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Running {
  readonly port: number;
  readonly version: string;
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<unknown>;
}

/** The script ends with its stdin: this process's end, however it comes, is the script's, too. */
async function startScript(python: string, args: string[], env: NodeJS.ProcessEnv): Promise<Running> {
  const child = spawn(python, [SCRIPT, ...args], { env, stdio: 'pipe', windowsHide: true });
  const ended = once(child, 'close').then(() => undefined);
  let errors = '';
  child.stderr.on('data', (part: Buffer) => (errors = (errors + part.toString()).slice(-4000)));
  // It may be gone when it is told to end.
  child.stdin.on('error', () => undefined);
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string),
    ended,
    delay(START_TIMEOUT_MS, undefined, { ref: false }),
  ]);
  if (line === undefined) {
    child.kill('SIGKILL');
    throw new Error(`The Snowflake endpoint did not start:\n${errors}`);
  }
  return { ...(JSON.parse(line) as { port: number; version: string }), child, ended };
}

async function end({ child, ended }: Running, signal?: NodeJS.Signals): Promise<void> {
  if (signal) child.kill(signal);
  else child.stdin.end();
  const isGone = await Promise.race([ended.then(() => true), delay(STOP_TIMEOUT_MS, false, { ref: false })]);
  if (!isGone) child.kill('SIGKILL');
  await ended;
}

/** The Python of the environment for these requirements, which the first who needs it makes. */
async function environment(report: Report): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = join(cacheFolder(), 'endpoints');
  const home = join(folder, `snowflake-${hash}`);
  if (existsSync(home)) return pythonIn(home);
  const python = await findPython();
  const release = await lockCache(folder, report);
  try {
    if (!existsSync(home)) await makeEnvironment(python, home, report);
  } finally {
    release();
  }
  return pythonIn(home);
}

function pythonIn(home: string): string {
  return ON_WINDOWS ? join(home, 'Scripts', 'python.exe') : join(home, 'bin', 'python');
}

async function makeEnvironment(python: string, home: string, report: Report): Promise<void> {
  // Under its name only when it is whole.
  const draft = `${home}.new`;
  rmSync(draft, { recursive: true, force: true });
  await step(python, ['-m', 'venv', draft], 'making a Python environment…', report);
  await step(
    pythonIn(draft),
    ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--no-deps', '-r', REQUIREMENTS],
    'installing fakesnow and what it needs (about 2 minutes, once)…',
    report,
  );
  renameSync(draft, home);
}

async function step(command: string, args: string[], line: string, report: Report): Promise<void> {
  report(line);
  const child = await startKept(command, args);
  const ended = await reportWhile(child.ended, report, (elapsed) => `${line} ${elapsed}`);
  if (ended === 'exit code 0') return;
  const errors = child.lastErrors();
  if (args[1] === 'venv') {
    throw new NotOnThisMachine(
      `${command} -m venv ended with ${ended}. Install what it lacks (apt-get install python3-venv)\n${errors}`,
    );
  }
  throw new Error(`The Snowflake endpoint can't be installed, pip ended with ${ended}:\n${errors}`);
}

async function findPython(): Promise<string> {
  const found: string[] = [];
  for (const name of ['python3', 'python', 'python3.13', 'python3.12', 'python3.11']) {
    const version = await run(name, ['--version'], { windowsHide: true }).then(
      ({ stdout }) => /Python (\d+)\.(\d+)\S*/.exec(stdout),
      () => null,
    );
    if (!version) continue;
    const [text, major, minor] = version;
    if (Number(major) === OLDEST_PYTHON.major && Number(minor) >= OLDEST_PYTHON.minor) return name;
    found.push(text);
  }
  const { major, minor } = OLDEST_PYTHON;
  throw new NotOnThisMachine(
    `The Snowflake endpoint needs Python ${major}.${minor} or newer, ` +
      (found.length > 0 ? `and here is ${found.join(', ')}` : 'and there is no python3 on PATH'),
  );
}
