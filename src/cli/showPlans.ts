/** What replays would do, as a table; those that would be refused below it. */
import { painted } from './output.js';
import type { Plan, PlannedReplay } from './planReplay.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';
import { oneLine } from './text.js';

type Row = Plan & { readonly batchId: number };

const COLUMNS: ReadonlyArray<Column<Row>> = [
  { title: 'LogID', align: 'right', value: ({ batchId }) => String(batchId) },
  { title: 'PipelineName', shrinkTo: 12, value: ({ pipeline }) => pipeline },
  { title: 'From', value: fromText },
  { title: 'Input', shrinkTo: 30, value: ({ input }) => input },
  { title: 'Replaces', shrinkTo: 20, value: replacedText },
  { title: 'Note', shrinkTo: 20, value: ({ note }) => note ?? '' },
];

export function formatPlans(plans: readonly PlannedReplay[], width: number): string {
  const rows = plans.filter((plan): plan is Row => !('refused' in plan));
  const refused = plans.flatMap((plan) =>
    'refused' in plan ? [`${plan.batchId}  ${painted('red', 'refused')}: ${oneLine(plan.refused)}`] : [],
  );
  const columns = rows.some(({ note }) => note !== undefined) ? COLUMNS : COLUMNS.slice(0, -1);
  const table = rows.length > 0 ? [formatTable(columns, rows, width)] : [];
  return [...table, ...refused].join('\n');
}

/** `DWH.Orders on dwh: 830 rows`; more than one batch of a chain, or run of a batch, may have loaded them. */
function replacedText({ replaces = [] }: Row): string {
  const rowsOf = new Map<string, number>();
  for (const { connection, table, rows } of replaces) {
    const where = `${table} on ${connection}`;
    rowsOf.set(where, (rowsOf.get(where) ?? 0) + rows);
  }
  return [...rowsOf].map(([where, rows]) => `${where}: ${rows} rows`).join(', ');
}

function fromText({ from, step }: Row): string {
  return step === null ? from : `${from}: ${step}`;
}
