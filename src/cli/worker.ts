/** `batchtrail worker`: runs workflows and activities until it is told to stop. */
import type { Command } from 'commander';
import type { Configured } from './program.js';

export function addWorker(program: Command, configured: Configured): void {
  program
    .command('worker')
    .description('run a worker with your workflows and activities beside the ready-made ones')
    .addHelpText(
      'after',
      "\nTemporal's own environment variables and profiles say where Temporal is.\n\nExample: TEMPORAL_ADDRESS=localhost:7233 batchtrail worker",
    )
    .action(async () => {
      const config = configured();
      const { runWorker } = await import('./runWorker.js');
      await runWorker(config);
    });
}
