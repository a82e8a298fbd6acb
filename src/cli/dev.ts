/** `batchtrail dev`: a Temporal server with its Web UI, a worker and the sample, until it is told to stop. */
import type { Command } from 'commander';
import { ownCommand } from './ownCommand.js';
import type { Configured } from './program.js';

export function addDev(program: Command, configured: Configured): void {
  program
    .command('dev')
    .description('run a Temporal server with its Web UI, and a worker with the sample and your own pipelines')
    .addHelpText('after', '\nExample: batchtrail dev')
    .action(async () => {
      const config = configured();
      const { runDev } = await import('./runDev.js');
      await runDev(config, ownCommand(program));
    });
}
