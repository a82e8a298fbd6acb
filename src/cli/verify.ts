/** `batchtrail verify`: proves the audit against Temporal's histories and its own seals. */
import type { Command } from 'commander';
import { HOLDS } from '../audit/verdict.js';
import type { Verification } from '../audit/verifyAudit.js';
import { pointInTime, positiveInteger } from './arguments.js';
import type { Configured } from './program.js';
import type { VerifyOptions } from './runVerify.js';
import { JsonReport, LISTED, TextReport } from './verifyReport.js';

export function addVerify(program: Command, configured: Configured): void {
  program
    .command('verify')
    .description(
      "compare the audit with Temporal's histories and with its seals; exit 1 unless all of it holds",
    )
    .option('--since <time>', 'only batches that started then or later: 24h, 7d, 2026-11-01', pointInTime)
    .option('--batch <LogID>', 'only this batch', positiveInteger)
    .option('--digest <file>', 'also hold the seals against the digests in this file')
    .option('--json', 'print JSON, with every batch')
    .addHelpText(
      'after',
      `
certified         history and seal agree with every row
gap               history proves something that no row tells, or Temporal does not know a run that it must know
altered           a row differs from what history or its seal proves
pending           it has ended, and is not proven yet: a worker does that, or batchtrail reconcile
running           it goes on, here and in Temporal
beyond retention  Temporal has erased the history; the seal holds
no history        an activity without a workflow; the seal holds

Each batch has a line, the newest first, and what is wrong with it below. After ${LISTED} that hold, only those that do
not are listed, and the others counted; --json lists all. gap, altered and pending do not hold.

Example: batchtrail verify --since 24h --digest /mnt/elsewhere/digests`,
    )
    .action(async ({ json, ...options }: VerifyOptions & { json?: boolean }) => {
      const config = configured();
      const { verify } = await import('./runVerify.js');
      const found = await verify(config, options, () => (json ? new JsonReport() : new TextReport()));
      if (!found.ok) throw new Error(`The audit does not hold: ${problemCount(found)} found`);
    });
}

function problemCount({ verdicts, missing, chain }: Verification): string {
  const all = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  const holding = HOLDS.reduce((sum, verdict) => sum + (verdicts[verdict] ?? 0), 0);
  const count = all - holding + missing + chain.findings.length;
  return count === 1 ? '1 problem' : `${count} problems`;
}
