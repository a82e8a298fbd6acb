/** `batchtrail verify`: proves the audit against Temporal's histories and its own seals. */
import type { Command } from 'commander';
import { holds } from '../audit/verdict.js';
import type { Verified } from '../audit/verdict.js';
import type { Verification } from '../audit/verifyAudit.js';
import { pointInTime, positiveInteger } from './arguments.js';
import { outputWidth, painted, print, printJson } from './output.js';
import type { Configured } from './program.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';
import { oneLine } from './text.js';
import type { VerifyOptions } from './runVerify.js';

export function addVerify(program: Command, configured: Configured): void {
  program
    .command('verify')
    .description(
      "compare the audit with Temporal's histories and with its seals; exit 1 unless all of it holds",
    )
    .option('--since <time>', 'only batches that started then or later: 24h, 7d, 2026-11-01', pointInTime)
    .option('--batch <LogID>', 'only this batch', positiveInteger)
    .option('--digest <file>', 'also hold the seals against the digests in this file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
certified         history and seal agree with every row
gap               history proves something that no row tells
altered           a row differs from what history or its seal proves
pending           it has ended, and its history was not read yet: a worker does that, or batchtrail reconcile
beyond retention  Temporal has erased the history; the seal holds
no history        an activity without a workflow; the seal holds

Example: batchtrail verify --since 24h --digest /mnt/elsewhere/digests`,
    )
    .action(async ({ json, ...options }: VerifyOptions & { json?: boolean }) => {
      const config = configured();
      const { verify } = await import('./runVerify.js');
      const found = await verify(config, options);
      if (json) printJson(found);
      else print(report(found));
      if (!found.ok) throw new Error(`The audit does not hold: ${problemCount(found)} found`);
    });
}

function report({ batches, missing, chain }: Verification): string {
  const wrong = batches.filter((batch) => batch.verdict !== 'certified');
  const counts = new Map<string, number>();
  for (const { verdict } of batches) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const summary = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', ');
  return [
    ...(wrong.length > 0 ? [formatTable(COLUMNS, wrong, outputWidth()), ''] : []),
    ...wrong.flatMap(({ LogID, findings }) => findings.map((text) => `Batch ${LogID}: ${oneLine(text)}`)),
    ...missing.map(
      ({ WorkflowID, RunID, EndTime }) =>
        `gap: run ${RunID} of workflow ${oneLine(WorkflowID)}, closed at ${EndTime}, has no batch. Run: batchtrail reconcile`,
    ),
    ...chain.findings.map((text) => `altered: ${text}`),
    `${batches.length} batches: ${summary || 'nothing to verify'}. ${chain.seals} seals`,
  ].join('\n');
}

function problemCount({ batches, missing, chain }: Verification): string {
  const count = batches.filter((batch) => !holds(batch)).length + missing.length + chain.findings.length;
  return count === 1 ? '1 problem' : `${count} problems`;
}

const COLUMNS: ReadonlyArray<Column<Verified>> = [
  { title: 'LogID', align: 'right', value: ({ LogID }) => String(LogID) },
  { title: 'PipelineName', shrinkTo: 12, value: ({ PipelineName }) => PipelineName },
  { title: 'WorkflowID', shrinkTo: 12, value: ({ WorkflowID }) => WorkflowID ?? '' },
  {
    title: 'Verdict',
    value: ({ verdict }) => verdict,
    paint: (cell, batch) => (holds(batch) ? cell : painted('red', cell)),
  },
];
