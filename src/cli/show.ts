/** `batchtrail show`: everything the audit holds about one batch. */
import type { Command } from 'commander';
import { NotFound } from '../domain/errors.js';
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
      const record = await withAuditReader(configured(), (reader) => reader.batch(logID));
      if (!record) throw new NotFound(`There is no batch ${logID}. List them with: batchtrail batches`);
      if (json) printJson(record);
      else print(formatBatch(record, outputWidth()));
    });
}
