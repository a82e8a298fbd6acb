/** `batchtrail demo`: everything once, on a machine where nothing is configured. */
import type { Command } from 'commander';
import { ownCommand } from './ownCommand.js';
import type { Configured } from './program.js';

export function addDemo(program: Command, configured: Configured): void {
  program
    .command('demo')
    .description(
      'run the sample pipeline three times, with real faults, and a transfer, and show what the audit knows of them',
    )
    .addHelpText('after', '\nExample: batchtrail demo')
    .action(async () => {
      const config = configured();
      const { runDemo } = await import('./runDemo.js');
      await runDemo(config, ownCommand(program));
    });
}
