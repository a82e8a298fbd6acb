/** Text tables: as wide as their content, as narrow as the terminal. */
import { cells, oneLine, shorten } from './text.js';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Default: `left`. */
  readonly align?: 'left' | 'right';
  /** The text may be shortened when there is little room, but not below this width. Default: never. */
  readonly shrinkTo?: number;
  /** Colours the finished cell. */
  readonly paint?: (cell: string, row: Row) => string;
}

interface SizedColumn<Row> extends Column<Row> {
  readonly width: number;
}

const GAP = '  ';
const INDENT = '    ';

/** One line per row. Where the width does not do, the last columns move to a line of their own under each row. */
export function formatTable<Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: readonly Row[],
  width: number,
): string {
  const natural = columns.map((column) => ({ ...column, width: naturalWidth(column, rows) }));
  const sized = shrunk(natural, width);
  let count = sized.length;
  while (count > 1 && totalWidth(sized.slice(0, count)) > width) count -= 1;
  // What moved away leaves room: the others need not be shortened for it.
  const beside = count < sized.length ? shrunk(natural.slice(0, count), width) : sized;
  const below = columns.slice(count);
  const lines = [joined(beside.map((column) => aligned(column.title, column)))];
  for (const row of rows) {
    lines.push(joined(beside.map((column) => cell(column, row))));
    lines.push(...belowRow(below, row, width));
  }
  return lines.join('\n');
}

/** Names and values one below the other. */
export function formatRecord(entries: ReadonlyArray<readonly [name: string, value: string]>): string {
  const width = Math.max(0, ...entries.map(([name]) => cells(name)));
  const newLine = `\n${' '.repeat(width)}${GAP}`;
  return entries
    .map(([name, value]) => joined([padEnd(name, width), value.replaceAll('\n', newLine)]))
    .join('\n');
}

/** The width a table would like to have. */
export function tableWidth<Row>(columns: ReadonlyArray<Column<Row>>, rows: readonly Row[]): number {
  return totalWidth(columns.map((column) => ({ width: naturalWidth(column, rows) })));
}

function naturalWidth<Row>(column: Column<Row>, rows: readonly Row[]): number {
  return rows.reduce(
    (widest, row) => Math.max(widest, cells(oneLine(column.value(row)))),
    cells(column.title),
  );
}

function totalWidth(columns: ReadonlyArray<{ readonly width: number }>): number {
  return columns.reduce((sum, { width }) => sum + width + GAP.length, -GAP.length);
}

function shrunk<Row>(columns: ReadonlyArray<SizedColumn<Row>>, width: number): Array<SizedColumn<Row>> {
  let excess = totalWidth(columns) - width;
  return columns
    .toReversed()
    .map((column) => {
      if (excess <= 0 || column.shrinkTo === undefined) return column;
      const shrunkWidth = Math.min(column.width, Math.max(column.shrinkTo, column.width - excess));
      excess -= column.width - shrunkWidth;
      return { ...column, width: shrunkWidth };
    })
    .toReversed();
}

function cell<Row>(column: SizedColumn<Row>, row: Row): string {
  const text = aligned(shorten(oneLine(column.value(row)), column.width), column);
  return column.paint ? column.paint(text, row) : text;
}

function belowRow<Row>(columns: ReadonlyArray<Column<Row>>, row: Row, width: number): string[] {
  const entries = columns
    .map((column) => [column.title, oneLine(column.value(row))] as const)
    .filter(([, value]) => value !== '')
    .map(([title, value]) => `${title}: ${value}`);
  if (entries.length === 0) return [];
  const text = INDENT + entries.join('; ');
  return [columns.some(({ shrinkTo }) => shrinkTo !== undefined) ? shorten(text, width) : text];
}

function aligned(text: string, { align, width }: { align?: 'left' | 'right'; width: number }): string {
  return align === 'right' ? ' '.repeat(Math.max(0, width - cells(text))) + text : padEnd(text, width);
}

function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - cells(text)));
}

function joined(parts: readonly string[]): string {
  return parts.join(GAP).trimEnd();
}
