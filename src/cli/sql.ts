/** `batchtrail sql`: one SELECT on the audit and what lies beside it. */
import type { Command } from 'commander';
import type { SqlRow, SqlValue } from '../domain/table.js';
import { withAuditReader } from './audit.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import type { Column } from './table.js';
import { formatRecord, formatTable, tableWidth } from './table.js';
import { oneLine } from './text.js';

export function addSql(program: Command, configured: Configured): void {
  program
    .command('sql')
    .description('run a SELECT; the connection is read-only')
    .argument('<select>', 'the statement')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample: batchtrail sql "SELECT * FROM Audit.PipelineLog ORDER BY StartTime DESC"',
    )
    .action(async (select: string, { json }: { json?: boolean }) => {
      const { columns, rows } = await withAuditReader(configured(), (reader) => reader.query(select));
      if (json) printJson(rows);
      else print(formatResult(columns, rows));
    });
}

export function formatResult(names: readonly string[], rows: readonly SqlRow[]): string {
  const columns = names.map((name) => resultColumn(name, rows));
  // A pipe has no width that a line could exceed; a terminal would break the lines of a wide table.
  if (!process.stdout.isTTY || tableWidth(columns, rows) <= outputWidth()) {
    return `${formatTable(columns, rows, Infinity)}\n${rowCount(rows.length)}`;
  }
  const record = (row: SqlRow): string =>
    formatRecord(names.map((name) => [oneLine(name), oneLine(formatValue(row[name] ?? null))]));
  return `${rows.map(record).join('\n\n')}\n\n${rowCount(rows.length)}`;
}

function resultColumn(name: string, rows: readonly SqlRow[]): Column<SqlRow> {
  const isNumber = rows.some((row) => typeof row[name] === 'number' || typeof row[name] === 'bigint');
  return {
    title: oneLine(name),
    align: isNumber ? 'right' : 'left',
    value: (row) => formatValue(row[name] ?? null),
  };
}

function formatValue(value: SqlValue): string {
  if (value === null) return 'NULL';
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : String(value);
}

function rowCount(rows: number): string {
  return rows === 1 ? '(1 row)' : `(${rows} rows)`;
}
