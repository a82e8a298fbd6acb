/** A PostgreSQL server of the machine's own packages, in a temporary folder, on a port of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { startKept, type KeptProcess } from '../../src/dev/keptProcess.js';
import { freePorts, LOOPBACK } from '../../src/dev/ports.js';
import { NotOnThisMachine, type Endpoint } from './endpoint.js';

const START_TIMEOUT_MS = 60_000;
const ON_WINDOWS = process.platform === 'win32';
/** One that knows upper and lower case of more than ASCII, where the system is sure to have it. */
const LOCALE = { linux: 'C.UTF-8', darwin: 'en_US.UTF-8' }[process.platform as string] ?? 'C';
const run = promisify(execFile);

export interface PostgresEndpoint extends Endpoint {
  /** Stops the server, with its connections, and starts it again at the same address. */
  restart(): Promise<void>;
}

export interface PostgresOptions {
  /** Whether a commit waits for the disk. Off is faster, for tests that ask nothing about it. Default: on. */
  readonly fsync?: boolean;
}

/** Passwords are checked on every connection (SCRAM), so that a wrong one can be tried. */
export async function startPostgres({ fsync = true }: PostgresOptions = {}): Promise<PostgresEndpoint> {
  const bin = findBin();
  const user = serverUser();
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-pg-'));
  let server: KeptProcess | undefined;
  try {
    const password = randomBytes(12).toString('hex');
    writeFileSync(join(folder, 'password'), password);
    if (user) for (const path of [folder, join(folder, 'password')]) chownSync(path, user.uid, user.gid);
    const data = join(folder, 'data');
    const as = (program: string, args: string[]): [string, string[]] =>
      asUser(user, join(bin, program), args);
    await run(
      ...as('initdb', [
        ...['-D', data, '-U', 'etl', '-A', 'scram-sha-256', `--pwfile=${join(folder, 'password')}`],
        ...['-E', 'UTF8', `--locale=${LOCALE}`, '--no-sync'],
      ]),
      { cwd: folder },
    );
    const [port] = await freePorts(1);
    const url = `postgres://etl:${password}@${LOOPBACK}:${port}/postgres`;
    const settings = {
      port: String(port),
      listen_addresses: LOOPBACK,
      unix_socket_directories: '',
      wal_level: 'logical',
      max_connections: '200',
      ...(fsync ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    };
    const start = (): Promise<KeptProcess> =>
      startKept(
        ...as('postgres', [
          '-D',
          data,
          ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
        ]),
        { cwd: folder },
      );
    server = await start();
    const version = await answers(url, server);
    return {
      url,
      version,
      async restart() {
        await stop(server!);
        server = await start();
        await answers(url, server);
      },
      async stop() {
        await stop(server!);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Fast shutdown: connections are ended, what is committed stays. The keeper's own SIGTERM would wait for clients. */
async function stop(server: KeptProcess): Promise<void> {
  if (!ON_WINDOWS) {
    try {
      process.kill(server.pid, 'SIGINT');
      await Promise.race([server.ended, delay(10_000, undefined, { ref: false })]);
    } catch {
      // It is gone already.
    }
  }
  await server.stop();
}

/** The version, as soon as the server takes connections. */
async function answers(url: string, server: KeptProcess): Promise<string> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let ending: string | undefined;
  void server.ended.then((how) => (ending = how));
  for (;;) {
    const client = new pg.Client(url);
    // A connection that ends later on is told here, too, and says nothing that matters.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]!.server_version;
    } catch (error) {
      if (ending !== undefined || Date.now() > deadline) {
        throw new Error(
          `PostgreSQL did not start: ${ending ?? 'no answer in time'}\n${server.lastErrors()}`,
          { cause: error },
        );
      }
    } finally {
      await client.end().catch(() => undefined);
    }
    await delay(30);
  }
}

/** The folder of `initdb` and `postgres`: of the highest version, where there are several. */
function findBin(): string {
  const folders = [
    ...versions('/usr/lib/postgresql', (version) => join(version, 'bin')),
    ...versions('/usr', (version) => join(version, 'bin'), /^pgsql-/),
    ...['/opt/homebrew/opt', '/usr/local/opt', '/home/linuxbrew/.linuxbrew/opt'].flatMap((opt) =>
      versions(opt, (version) => join(version, 'bin'), /^postgresql(@|$)/),
    ),
    ...versions('/Library/PostgreSQL', (version) => join(version, 'bin')),
    ...versions('C:\\Program Files\\PostgreSQL', (version) => join(version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
  ];
  const found = folders.find((folder) =>
    ['initdb', 'postgres'].every((name) => isProgram(join(folder, name))),
  );
  if (found === undefined) {
    throw new NotOnThisMachine(
      'PostgreSQL is not installed here (no initdb in PATH, /usr/lib/postgresql or a Homebrew folder). ' +
        'Install it (apt-get install postgresql; brew install postgresql), or set TEST_POSTGRES_URL to a server',
    );
  }
  return found;
}

function versions(folder: string, binOf: (version: string) => string, names = /^\d/): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch {
    return [];
  }
  return entries
    .filter((name) => names.test(name))
    .sort((a, b) => numberIn(b) - numberIn(a))
    .map((name) => binOf(join(folder, name)));
}

function numberIn(name: string): number {
  return Number(/\d+(\.\d+)?/.exec(name)?.[0] ?? 0);
}

function isProgram(path: string): boolean {
  try {
    accessSync(ON_WINDOWS ? `${path}.exe` : path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: the user to run it as then. */
function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // There is no such user.
    }
  }
  throw new NotOnThisMachine('PostgreSQL does not run as root, and there is no user postgres or nobody here');
}

function asUser(user: User | undefined, program: string, args: string[]): [string, string[]] {
  if (!user) return [program, args];
  return ['setpriv', [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', program, ...args]];
}
