/** `batchtrail batches`: the latest batches, newest first. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { BatchFilter } from '../engines/contract.js';
import type { PipelineLog } from '../domain/model.js';
import { BATCH_STATUSES } from '../domain/model.js';
import { redact } from '../domain/redact.js';
import { pointInTime, positiveInteger } from './arguments.js';
import { withAuditReader } from './audit.js';
import { count, dayAndTime, duration } from './format.js';
import { outputWidth, painted, print, printJson } from './output.js';
import type { Configured } from './program.js';
import { statusStyle } from './statusStyle.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';

interface Options extends BatchFilter {
  readonly json?: boolean;
}

export function addBatches(program: Command, configured: Configured): void {
  program
    .command('batches')
    .description('list the latest batches')
    .option('--pipeline <name>', 'only the batches of this pipeline')
    .addOption(new Option('--status <status>', 'only the batches with this status').choices(BATCH_STATUSES))
    .option('--open', 'only those that failed and are neither repaired nor dismissed')
    .option('--since <time>', 'only those that started then or later: 24h, 7d, 2026-11-01', pointInTime)
    .option('--until <time>', 'only those that started before then', pointInTime)
    .option('--text <part>', 'only those with this in their name, workflow id or message')
    .option('--limit <n>', 'at most so many', positiveInteger, 20)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: batchtrail batches --open --since 24h')
    .action(async ({ json, ...filter }: Options) => {
      const config = configured();
      const batches = await withAuditReader(config, (reader) => reader.batches(filter));
      if (json) printJson(batches);
      else if (batches.length > 0) print(formatTable(BATCH_COLUMNS, batches, outputWidth()));
      else print(nothingFound(filter, config.audit.url));
    });
}

function nothingFound({ limit: _, ...filters }: BatchFilter, auditUrl: string): string {
  return Object.keys(filters).length === 0
    ? `There are no batches yet in ${redact(auditUrl)}. Start a pipeline on a worker that has the plugin, or try: batchtrail demo`
    : 'No batch matches. Leave out options to see more of them';
}

export const BATCH_COLUMNS: ReadonlyArray<Column<PipelineLog>> = [
  { title: 'LogID', align: 'right', value: ({ LogID }) => String(LogID) },
  { title: 'PipelineName', shrinkTo: 12, value: ({ PipelineName }) => PipelineName },
  {
    title: 'Status',
    value: ({ Status }) => Status,
    paint: (cell, { Status }) => painted(statusStyle(Status), cell),
  },
  { title: 'StartTime', value: ({ StartTime }) => dayAndTime(StartTime) },
  { title: 'Duration', align: 'right', value: ({ DurationMs }) => duration(DurationMs) },
  { title: 'Rows', align: 'right', value: ({ RowsProcessed }) => count(RowsProcessed) },
  { title: 'Retries', align: 'right', value: ({ RetryCount }) => String(RetryCount) },
  { title: 'RetryStatus', value: ({ RetryStatus }) => RetryStatus ?? '' },
  { title: 'Alert', value: ({ AlertTriggered }) => (AlertTriggered ? 'yes' : '') },
  { title: 'Error', shrinkTo: 30, value: ({ ErrorMessage }) => ErrorMessage ?? '' },
];
