/** The audit's own tools, as people run them: they must come to the same verdict as the checker. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { typeScriptArguments } from '../../src/ownScript.js';
import { withoutTemporalVariables } from '../../src/dev/temporalEnv.js';
import type { Finding } from './checker/finding.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface OwnTools {
  readonly cwd: string;
  readonly auditUrl: string;
  readonly address: string;
  readonly taskQueue: string;
}

export interface OwnVerdict {
  /** How each command ended, with its last line. */
  readonly lines: string[];
  readonly findings: Finding[];
}

/** `batchtrail reconcile`, then `batchtrail verify`. */
export async function runOwnTools(tools: OwnTools): Promise<OwnVerdict> {
  const lines: string[] = [];
  const findings: Finding[] = [];
  writeFileSync(join(tools.cwd, 'batchtrail.yaml'), `worker: { taskQueue: ${tools.taskQueue} }\n`);
  for (const args of [['reconcile'], ['verify']]) {
    const { code, stdout, stderr } = await batchtrail(args, tools);
    const name = `batchtrail ${args.join(' ')}`;
    lines.push(`${name}: exit code ${code}: ${stdout.trim().split('\n').at(-1)}`);
    if (code !== 0) findings.push({ rule: name, what: `exit code ${code}: ${stdout}${stderr}`.trim() });
  }
  return { lines, findings };
}

function batchtrail(
  args: readonly string[],
  { cwd, auditUrl, address }: OwnTools,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    ...withoutTemporalVariables(),
    BATCHTRAIL_CONFIG: '',
    BATCHTRAIL_AUDIT_URL: auditUrl,
    TEMPORAL_ADDRESS: address,
  };
  return new Promise((resolve) => {
    const options = { cwd, env, maxBuffer: 64 * 1024 * 1024 };
    execFile(
      process.execPath,
      [...typeScriptArguments(), MAIN, ...args],
      options,
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      },
    );
  });
}
