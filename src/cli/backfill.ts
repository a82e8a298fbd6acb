/** `batchtrail backfill`: batches for runs from before the plugin, from history alone. */
import type { Command } from 'commander';
import { pointInTime } from './arguments.js';
import { print } from './output.js';
import type { Configured } from './program.js';
import { reportFailed } from './reconcile.js';

const REPORT_EVERY = 100;

export function addBackfill(program: Command, configured: Configured): void {
  program
    .command('backfill')
    .description('make batches for closed runs from before the plugin was installed, from their histories')
    .requiredOption('--since <time>', 'only runs that started then or later: 7d, 2026-11-01', pointInTime)
    .option(
      '--query <query>',
      "which runs, in Temporal's words; default: those of the configuration's task queue",
    )
    .addHelpText(
      'after',
      '\nRuns that have a batch stay as they are; it can be repeated.\n\nExample: batchtrail backfill --since 2026-11-01 --query "WorkflowType = \'nightlyLoad\'"',
    )
    .action(async ({ since, query }: { since: string; query?: string }) => {
      const config = configured();
      const { backfill } = await import('./runReconcile.js');
      let reported = 0;
      const { runs, added, failed } = await backfill(config, since, query, (done, missing) => {
        if (done - reported < REPORT_EVERY) return;
        reported = done;
        process.stderr.write(`${done} of ${missing}\n`);
      });
      print(`${runs} closed runs since ${since}: ${added} had no batch and have one now`);
      reportFailed(failed.length);
    });
}
