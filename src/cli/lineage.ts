/** `batchtrail lineage`: which batch wrote these rows. */
import type { Command } from 'commander';
import { parseTableName } from '../domain/table.js';
import { positiveInteger } from './arguments.js';
import { print, printJson } from './output.js';
import type { Configured } from './program.js';

interface Options {
  readonly table: string;
  readonly where: string;
  readonly connection?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export function addLineage(program: Command, configured: Configured): void {
  program
    .command('lineage')
    .description('show which batches wrote these rows, how they ended, and what replayed them')
    .requiredOption('--table <schema.table>', 'the table, as in DWH.Fact_Sales or dbo.[Order Details]')
    .requiredOption('--where <condition>', "which rows: SQL, as behind the table's WHERE; it can only read")
    .option('--connection <name>', 'where the table is; needed when several connections have it')
    .option('--limit <n>', 'at most so many batches, the newest', positiveInteger, 20)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The table is looked for in the connections of the configuration, and in the audit's own database ("audit").

Example: batchtrail lineage --table DWH.Fact_Sales --where "OrderID = 10248"`,
    )
    .action(async ({ table, json, ...question }: Options) => {
      const name = parseTableName(table, '--table');
      const config = configured();
      const { findLineage } = await import('./findLineage.js');
      const lineage = await findLineage(config, { ...question, table: name });
      const { formatLineage } = await import('./showRows.js');
      if (json) printJson(lineage);
      else print(formatLineage(lineage));
    });
}
