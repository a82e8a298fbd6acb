/** `batchtrail dismiss`: a person says that a failed batch needs no repair. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { positiveInteger } from './arguments.js';
import { print } from './output.js';
import type { Configured } from './program.js';

interface Options {
  readonly reason: string;
  readonly by?: string;
}

export function addDismiss(program: Command, configured: Configured): void {
  program
    .command('dismiss <LogID>')
    .description('say that a failed batch needs no repair, and why')
    .requiredOption('--reason <text>', 'kept in the audit')
    .option('--by <name>', 'who says so (default: the name of this user)')
    .addHelpText('after', '\nExample: batchtrail dismiss 10 --reason "the file was empty, as announced"')
    .action(async (number: string, { reason, by = userInfo().username }: Options) => {
      const logID = positiveInteger(number);
      const config = configured();
      const { dismiss } = await import('./runDismiss.js');
      await dismiss(config, { logID, reason, by });
      print(`Batch ${logID} is dismissed by ${by}`);
    });
}
