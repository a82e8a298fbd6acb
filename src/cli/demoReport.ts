/** What the demo shows at its end: the audit of its runs, and what to try next. */
import type { Config } from '../config.js';
import { sampleFolder } from '../dev/sample.js';
import type { AuditReader } from '../engines/contract.js';
import { BATCH_COLUMNS } from './batches.js';
import type { DemoBatches } from './demoRuns.js';
import { outputWidth, painted, print } from './output.js';
import { ALERT_COLUMNS } from './showBatch.js';
import { formatResult } from './sql.js';
import { formatTable } from './table.js';
import { formatTimeline, isLogLine } from './timeline.js';

const SHOWN_BATCHES = 10;

export async function printDemo(
  config: Config,
  reader: AuditReader,
  { transfer, recovered, exhausted }: DemoBatches,
  command: string,
): Promise<void> {
  const width = outputWidth();
  const { schema = 'Audit' } = config.audit;
  heading('The batches, newest first');
  print(formatTable(BATCH_COLUMNS, await reader.batches({ limit: SHOWN_BATCHES }), width));

  heading(`Batch ${transfer} has moved two tables, and no row was lost or doubled`);
  const hops = ((await reader.batch(transfer))?.events ?? []).filter(isLogLine);
  for (const { StepName, Message } of hops) print(`${StepName}: ${Message}`);

  heading(`Batch ${recovered}, step by step with every attempt`);
  const events = (await reader.batch(recovered))?.events ?? [];
  const attempts = events.filter((event) => !isLogLine(event));
  print(formatTimeline(attempts, width));

  heading(`Batch ${exhausted} has raised an alert, which is open`);
  const alerts = (await reader.batch(exhausted))?.alerts ?? [];
  const open = alerts.filter(({ ResolvedAt }) => ResolvedAt === null);
  print(formatTable(ALERT_COLUMNS, open, width));

  heading('Which batch loaded a row: the lineage join');
  const lineage = lineageQuery(schema);
  print(`${lineage}\n`);
  const { columns, rows } = await reader.query(lineage);
  print(formatResult(columns, rows));

  heading('What to try next');
  print(`The files are in ${sampleFolder(config)}: the audit in ${schema}.db, the loaded rows in DWH.db.\n`);
  print(`  ${command} batches`);
  print(`  ${command} show ${exhausted}`);
  print(`  ${command} sql "SELECT * FROM ${schema}.PipelineLog ORDER BY StartTime DESC"`);
  print(`\nThe server's data is there, too. In one terminal, and the others in a second one:\n`);
  print(`  ${command} dev`);
  print(`  ${command} verify`);
  print(`  ${command} replay ${exhausted} --from failure`);
}

function heading(text: string): void {
  print(`\n${painted('bold', text)}`);
}

function lineageQuery(schema: string): string {
  return `SELECT F.OrderID, F.TotalAmount, A.StartTime AS LoadedAt, A.Status FROM DWH.Fact_Sales F JOIN ${schema}.PipelineLog A ON F.BatchID = A.LogID LIMIT 5`;
}
