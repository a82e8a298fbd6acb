/** `batchtrail reconcile`: now what a worker's reconciler and closer do by and by. */
import type { Command } from 'commander';
import { isoTime } from '../domain/time.js';
import { pointInTime } from './arguments.js';
import { print } from './output.js';
import type { Configured } from './program.js';

const DEFAULT_SINCE_MS = 86_400_000;

export function addReconcile(program: Command, configured: Configured): void {
  program
    .command('reconcile')
    .description('close and certify what has ended, and find runs that no worker saw')
    .option('--since <time>', 'look for runs that closed then or later: 24h, 7d, 2026-11-01', pointInTime)
    .addHelpText(
      'after',
      '\nLooks at the task queue of the configuration. Without --since: the last 24 hours.\n\nExample: batchtrail reconcile --since 2d',
    )
    .action(async ({ since }: { since?: string }) => {
      const config = configured();
      const { reconcile } = await import('./runReconcile.js');
      const { looked, certified, gone, failed } = await reconcile(
        config,
        since ?? isoTime(Date.now() - DEFAULT_SINCE_MS),
      );
      print(
        `${looked.runs} closed runs on task queue ${config.worker.taskQueue}: ${looked.added} had no batch and have one now; ${certified} more certified`,
      );
      if (gone > 0) {
        print(
          `${gone} can't be certified: Temporal has erased their histories, and their batches stay as workers saw them`,
        );
      }
      reportFailed(failed + looked.failed.length);
    });
}

/** A command that did a part of it has not succeeded. */
export function reportFailed(runs: number): void {
  if (runs === 0) return;
  process.stderr.write(`${runs} runs could not be closed by their histories; the log names them\n`);
  process.exitCode = 1;
}
