/** `batchtrail replay`: does failed batches again. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Config } from '../config.js';
import type { OpenFilter, ReplayFrom, ReplayInput } from '../domain/replay.js';
import { REPLAY_FROM } from '../domain/replay.js';
import { pointInTime, positiveInteger } from './arguments.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';

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
    .option('--dry-run', 'only show what would be done: from where, with which input, in place of which rows')
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
      const logIDs = numbers.map(positiveInteger);
      if (dryRun) return showPlans(config, failed ? filter : logIDs, { from, force }, json);
      const { ProgressReport, isRepaired } = await import('./replayProgress.js');
      const { replayAll, replayOpen } = await import('./runReplay.js');
      const report = new ProgressReport(process.stderr, json ? undefined : print);
      const { total, outcomes } = failed
        ? await replayOpen(config, { ...filter, from }, report)
        : await replayAll(
            config,
            logIDs.map((batchId) => ({ batchId, from, force })),
            report,
          );
      if (json) printJson(outcomes);
      const repaired = outcomes.filter(isRepaired).length;
      if (repaired < total) throw new Error(`${total - repaired} of ${total} batches are not repaired`);
      if (total === 0) process.stderr.write('No batch is open\n');
    });
}

const OF_FAILED = ['since', 'pipeline', 'error', 'limit'] as const;

function checkUsage(numbers: readonly string[], options: Options, command: Command): void {
  if (numbers.length > 0 === (options.failed ?? false)) {
    command.error('error: name the batches to replay, or --failed');
  }
  const misplaced = OF_FAILED.find((name) => options[name] !== undefined && !options.failed);
  if (misplaced) command.error(`error: --${misplaced} needs --failed`);
  if (options.failed && options.force) command.error('error: --force needs the batches by their LogIDs');
}

async function showPlans(
  config: Config,
  which: readonly number[] | OpenFilter,
  how: Pick<ReplayInput, 'from' | 'force'>,
  json: boolean | undefined,
): Promise<void> {
  const { planReplays } = await import('./planReplay.js');
  const { formatPlans } = await import('./showPlans.js');
  const plans = await planReplays(config, which, how);
  if (json) printJson(plans);
  else print(plans.length > 0 ? formatPlans(plans, outputWidth()) : 'No batch is open');
}
