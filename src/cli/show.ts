/** `batchtrail show`: everything the audit holds about one batch. */
import type { Command } from 'commander';
import { noBatch } from '../audit/noBatch.js';
import { positiveInteger } from './arguments.js';
import { withAuditReader } from './audit.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import { formatBatch } from './showBatch.js';

export function addShow(program: Command, configured: Configured): void {
  program
    .command('show')
    .description('show one batch: its facts, its steps with every attempt, its alerts')
    .argument('<LogID>', 'the batch, as listed by batchtrail batches', positiveInteger)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: batchtrail show 3')
    .action(async (logID: number, { json }: { json?: boolean }) => {
      const record = await withAuditReader(configured(), async (reader) => {
        const found = await reader.batch(logID);
        if (!found) throw await noBatch(reader, logID);
        return found;
      });
      if (json) printJson(record);
      else print(formatBatch(record, outputWidth()));
    });
}
