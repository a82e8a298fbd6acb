/** The Temporal CLI built from source, for places that reach a Go module proxy and nothing else. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startKept } from './keptProcess.js';
import { reportWhile, type Report } from './report.js';

// The newest releases hold a replace directive, which `go install` refuses.
const VERSION = 'v1.5.1';
const OLDEST_GO = { major: 1, minor: 25 };

/** Builds into a folder; returns the file. */
export async function goInstall(folder: string, report: Report): Promise<string> {
  await checkGo();
  const line = `building ${VERSION} with Go (about 6 minutes, once)…`;
  report(line);
  const go = await startKept('go', ['install', '-v', `github.com/temporalio/cli/cmd/temporal@${VERSION}`], {
    cwd: folder,
    env: buildEnvironment(folder),
  });
  const ended = await reportWhile(
    go.ended,
    report,
    (elapsed) => `${line} ${elapsed}${doing(go.lastErrors())}`,
  );
  if (ended !== 'exit code 0') {
    throw new Error(`go install ended with ${ended}:\n${go.lastErrors()}`);
  }
  return join(folder, process.platform === 'win32' ? 'temporal.exe' : 'temporal');
}

async function checkGo(): Promise<void> {
  const wanted = `Go ${OLDEST_GO.major}.${OLDEST_GO.minor} or newer is needed to build it`;
  const version = await promisify(execFile)('go', ['version'], { windowsHide: true }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
  if (version === undefined) throw new Error(`${wanted}, and there is no Go on PATH`);
  const [, major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major > OLDEST_GO.major || (major === OLDEST_GO.major && minor >= OLDEST_GO.minor)) return;
  throw new Error(`${wanted}, and here is ${JSON.stringify(version.trim())}`);
}

/** The user's settings for proxies and caches stay; what would change what is built, or where to, does not. */
function buildEnvironment(folder: string): NodeJS.ProcessEnv {
  const { GOOS: _os, GOARCH: _arch, ...env } = process.env;
  // Flags such as -mod=vendor break the build. An empty value would let those of Go's own settings file through.
  return { ...env, GOBIN: folder, GOFLAGS: '-mod=mod' };
}

/** With -v Go names what it downloads and compiles, one line each. */
function doing(output: string): string {
  const last = output.split('\n').at(-1);
  return last ? `, at ${last}` : '';
}
