/** `batchtrail replay`: does failed batches again. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { openBatches } from '../audit/openBatches.js';
import type { Config } from '../config.js';
import type { OpenFilter, ReplayEnd, ReplayFrom, ReplayOutcome, ReplayWait } from '../domain/replay.js';
import { REPLAY_FROM } from '../domain/replay.js';
import { pointInTime, positiveInteger } from './arguments.js';
import { withAuditReader } from './audit.js';
import { BATCH_COLUMNS } from './batches.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import { formatTable } from './table.js';

interface Options extends OpenFilter {
  readonly from: ReplayFrom;
  readonly force?: boolean;
  readonly failed?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addReplay(program: Command, configured: Configured): void {
  program
    .command('replay [LogID...]')
    .description('do failed batches again; exit 1 unless all succeed')
    .addOption(
      new Option('--from <where>', 'start: a new batch; failure: the same batch, finished steps are kept')
        .choices(REPLAY_FROM)
        .default('start'),
    )
    .option('--force', 'also batches that succeeded or were dismissed')
    .option('--failed', 'all that are open, the oldest first, some at once')
    .option(
      '--since <time>',
      'with --failed: those that started then or later: 24h, 7d, 2026-11-01',
      pointInTime,
    )
    .option('--pipeline <name>', 'with --failed: those of this pipeline')
    .option('--error <part>', 'with --failed: those with this in their error, name or workflow id')
    .option('--limit <n>', 'with --failed: at most so many (default: 100)', positiveInteger)
    .option('--dry-run', 'with --failed: only list them')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A worker on the task queue of the configuration does it; it goes on when this command is stopped.

Examples:
  batchtrail replay 10 11 --from failure
  batchtrail replay --failed --since 24h --dry-run`,
    )
    .action(async (numbers: string[], options: Options, command: Command) => {
      checkUsage(numbers, options, command);
      const { from, force, failed, dryRun, json, ...filter } = options;
      const config = configured();
      if (dryRun) return listOpen(config, filter, json);
      const { replayAll, replayOpen } = await import('./runReplay.js');
      const inputs = numbers.map((number) => ({ batchId: positiveInteger(number), from, force }));
      const { total, outcomes } = failed
        ? await replayOpen(config, { ...filter, from })
        : await replayAll(config, inputs);
      if (json) printJson(outcomes);
      else for (const outcome of outcomes) print(outcomeText(outcome));
      const repaired = outcomes.filter(isSuccess).length;
      if (repaired < total) throw new Error(`${total - repaired} of ${total} batches are not repaired`);
      if (total === 0) process.stderr.write('No batch is open\n');
    });
}

const OF_FAILED = ['since', 'pipeline', 'error', 'limit', 'dryRun'] as const;

function checkUsage(numbers: readonly string[], options: Options, command: Command): void {
  if (numbers.length > 0 === (options.failed ?? false)) {
    command.error('error: name the batches to replay, or --failed');
  }
  const misplaced = OF_FAILED.find((name) => options[name] !== undefined && !options.failed);
  if (misplaced) command.error(`error: --${misplaced === 'dryRun' ? 'dry-run' : misplaced} needs --failed`);
  if (options.failed && options.force) command.error('error: --force needs the batches by their LogIDs');
}

async function listOpen(config: Config, filter: OpenFilter, json: boolean | undefined): Promise<void> {
  const batches = await withAuditReader(config, (reader) => openBatches(reader, filter));
  if (json) printJson(batches);
  else if (batches.length === 0) print('No batch is open');
  else print(formatTable(BATCH_COLUMNS, batches, outputWidth()));
}

function isSuccess(outcome: ReplayOutcome): boolean {
  return 'status' in outcome && outcome.status === 'Success';
}

function outcomeText(outcome: ReplayOutcome): string {
  if ('refused' in outcome) return `${outcome.batchId}  refused: ${outcome.refused}`;
  const { batchId, workflowId, runId, note } = outcome;
  const what = note === undefined ? '' : `. ${note}`;
  return `${batchId}  ${endText(outcome)} (workflow ${workflowId}, run ${runId})${what}`;
}

function endText(end: ReplayEnd | ReplayWait): string {
  if ('waits' in end) return `waits: ${end.waits}`;
  return end.error === undefined ? end.status : `${end.status}: ${end.error}`;
}
