/** Whether a file is a Temporal CLI that runs. */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { promisify } from 'node:util';
import { withoutTemporalVariables } from './temporalEnv.js';

// The first start of a large file from a cold disk, past a virus scanner.
const TIMEOUT_MS = 30_000;

/** What `--version` says. Throws, with the reason, when there is no such file or it does not run. */
export async function answersVersion(file: string): Promise<string> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw new Error(`${file} is not there`);
  const { stdout } = await run(file);
  const [line = ''] = stdout.split('\n', 1);
  // The exit code says too little: an empty file counts as a shell script that succeeds.
  if (!line.startsWith('temporal version ')) {
    throw new Error(`${file} is no Temporal CLI that works: it answers ${JSON.stringify(line)} to --version`);
  }
  return line.trim();
}

async function run(file: string): Promise<{ stdout: string }> {
  try {
    return await promisify(execFile)(file, ['--version'], {
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      windowsHide: true,
      env: withoutTemporalVariables(),
    });
  } catch (error) {
    const { code, signal } = error as { code?: string | number; signal?: string };
    throw new Error(`${file} does not run (${signal ?? code})`, { cause: error });
  }
}
