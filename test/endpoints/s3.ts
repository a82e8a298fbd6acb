/** An S3 server that keeps a folder: versitygw, which is built once per user where it is not on PATH. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cacheFolder, lockCache } from '../../src/dev/cacheFolder.js';
import { startKept } from '../../src/dev/keptProcess.js';
import { freePorts, LOOPBACK } from '../../src/dev/ports.js';
import { reportWhile, type Report } from '../../src/dev/report.js';
import { NotOnThisMachine, type Endpoint } from './endpoint.js';

const VERSION = 'v1.8.0';
const START_TIMEOUT_MS = 30_000;
const PROGRAM = process.platform === 'win32' ? 'versitygw.exe' : 'versitygw';
const run = promisify(execFile);

export interface S3Endpoint extends Endpoint {
  readonly host: string;
  /** The same bucket by another way, as through a proxy, or with other parameters. */
  urlOf(change: { host?: string; secret?: string; bucket?: string; parameters?: string }): string;
  /** The statement that makes this bucket an external stage of a Snowflake. */
  stageOver(name: string): string;
}

export async function startS3(
  report: Report = (line) => process.stderr.write(`S3 endpoint: ${line}\n`),
): Promise<S3Endpoint> {
  const program = await findProgram(report);
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-s3-'));
  mkdirSync(join(folder, 'staging'));
  const [port] = await freePorts(1);
  const key = 'tester';
  const secret = randomBytes(12).toString('hex');
  const host = `${LOOPBACK}:${port}`;
  const server = await startKept(program, ['--port', host, 'posix', folder], {
    env: { ...process.env, ROOT_ACCESS_KEY: key, ROOT_SECRET_KEY: secret },
    cwd: folder,
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  let ending: string | undefined;
  void server.ended.then((how) => (ending = how));
  for (const deadline = Date.now() + START_TIMEOUT_MS; ; await delay(30)) {
    // Whatever it answers, it answers.
    if (
      await fetch(`http://${host}/`).then(
        () => true,
        () => false,
      )
    )
      break;
    if (ending === undefined && Date.now() < deadline) continue;
    await stop();
    throw new Error(`The S3 server did not start: ${ending ?? 'no answer in time'}\n${server.lastErrors()}`);
  }
  const urlOf: S3Endpoint['urlOf'] = ({
    host: at = host,
    secret: with_ = secret,
    bucket = 'staging',
    parameters = '',
  }) => `s3://${key}:${with_}@${bucket}/some/prefix?endpoint=http://${at}&pathStyle=true${parameters}`;
  const stageOver: S3Endpoint['stageOver'] = (name) =>
    `CREATE STAGE ${name} URL = 's3compat://staging/' ENDPOINT = '${host}' CREDENTIALS = (AWS_KEY_ID = '${key}' AWS_SECRET_KEY = '${secret}')`;
  return { url: urlOf({}), host, urlOf, stageOver, version: VERSION, stop };
}

async function findProgram(report: Report): Promise<string> {
  const onPath = await run(PROGRAM, ['--version'], { windowsHide: true }).then(
    () => PROGRAM,
    () => undefined,
  );
  if (onPath) return onPath;
  const folder = join(cacheFolder(), 'endpoints', `versitygw-${VERSION}`);
  const file = join(folder, PROGRAM);
  if (existsSync(file)) return file;
  await run('go', ['version'], { windowsHide: true }).catch(() => {
    throw new NotOnThisMachine(
      'There is no S3 server here: versitygw is not on PATH, and there is no Go to build it with',
    );
  });
  const release = await lockCache(folder, report);
  try {
    if (existsSync(file)) return file;
    const line = `building versitygw ${VERSION} with Go (some minutes, once)…`;
    report(line);
    const go = await startKept('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${VERSION}`], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' },
      cwd: folder,
    });
    const ended = await reportWhile(go.ended, report, (elapsed) => `${line} ${elapsed}`);
    if (ended !== 'exit code 0') throw new Error(`go install ended with ${ended}:\n${go.lastErrors()}`);
    return file;
  } finally {
    release();
  }
}
