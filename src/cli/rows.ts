/** `batchtrail rows`: which tables a batch wrote, and what is left of it. */
import type { Command } from 'commander';
import { positiveInteger } from './arguments.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';

interface Options {
  readonly connection?: string;
  readonly json?: boolean;
}

export function addRows(program: Command, configured: Configured): void {
  program
    .command('rows')
    .description('show which tables a batch wrote, and how many of its rows are still there')
    .argument('<LogID>', 'the batch, as listed by batchtrail batches', positiveInteger)
    .option('--connection <name>', 'look only there (default: in all connections, and beside the audit)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: batchtrail rows 3')
    .action(async (logID: number, { connection, json }: Options) => {
      const config = configured();
      const { findRows } = await import('./findRows.js');
      const written = await findRows(config, logID, connection);
      const { formatRows } = await import('./showRows.js');
      if (json) printJson(written);
      else print(formatRows(written, outputWidth()));
    });
}
