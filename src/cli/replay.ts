/** `batchtrail replay`: does failed batches again. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { ReplayFrom, ReplayOutcome } from '../domain/replay.js';
import { REPLAY_FROM } from '../domain/replay.js';
import { positiveInteger } from './arguments.js';
import { print, printJson } from './output.js';
import type { Configured } from './program.js';

interface Options {
  readonly from: ReplayFrom;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addReplay(program: Command, configured: Configured): void {
  program
    .command('replay <LogID...>')
    .description('do failed batches again, one after the other; exit 1 unless all succeed')
    .addOption(
      new Option('--from <where>', 'start: a new batch; failure: the same batch, finished steps are kept')
        .choices(REPLAY_FROM)
        .default('start'),
    )
    .option('--force', 'also batches that succeeded, were replayed, or dismissed')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nA worker on the task queue of the configuration does it; it goes on when this command is stopped.\n\nExample: batchtrail replay 10 11 --from failure',
    )
    .action(async (numbers: string[], { from, force, json }: Options) => {
      const logIDs = numbers.map(positiveInteger);
      const config = configured();
      const { replayAll } = await import('./runReplay.js');
      const inputs = logIDs.map((batchId) => ({ batchId, from, ...(force ? { force } : {}) }));
      const outcomes: ReplayOutcome[] = [];
      for await (const outcome of replayAll(config, inputs)) {
        outcomes.push(outcome);
        if (!json) print(outcomeText(outcome));
      }
      if (json) printJson(outcomes);
      const failed = outcomes.filter((outcome) => !isSuccess(outcome)).length;
      if (failed > 0) throw new Error(`${failed} of ${outcomes.length} batches are not repaired`);
    });
}

function isSuccess(outcome: ReplayOutcome): boolean {
  return 'status' in outcome && outcome.status === 'Success';
}

function outcomeText(outcome: ReplayOutcome): string {
  if ('refused' in outcome) return `${outcome.batchId}  refused: ${outcome.refused}`;
  const { batchId, status, error, workflowId, runId } = outcome;
  const why = error === undefined ? '' : `: ${error}`;
  return `${batchId}  ${status}${why} (workflow ${workflowId}, run ${runId})`;
}
