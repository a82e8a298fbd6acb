/** `incrementalTransfer`: its input, and which window a run moves. */
import { duration } from './duration.js';
import { BadInput } from './errors.js';
import type { CursorKind, Interval } from './interval.js';
import type { Check } from './shape.js';
import { flag, listOf, object, oneOf, optional, positive, ShapeError, show, text } from './shape.js';
import { isoTime } from './time.js';
import type { HistoricalTransferInput, TableStep, TransferTable } from './transfer.js';
import { checkTables, commonShape, tableShape, tableSteps } from './transfer.js';

export interface IncrementalTable extends TransferTable {
  /** Default: the input's. */
  readonly cursor?: string | undefined;
}

export interface IncrementalTransferInput extends Omit<HistoricalTransferInput, 'tables' | 'mode'> {
  readonly tables: readonly IncrementalTable[];
  readonly mode: 'append' | 'merge';
  /** The column that says which rows are new: a timestamp, or a whole number that only rises. */
  readonly cursor?: string | undefined;
  /** How much time a run moves, as `30m`. With a cursor that is a time, and only then. */
  readonly window?: string | undefined;
  /** How far a window stays behind: a duration, or so many keys. */
  readonly lag?: string | number | undefined;
  /** How much before each interval is read again, for late rows: a duration, or so many keys. */
  readonly overlap?: string | number | undefined;
  /** The nominal time of a run that no Schedule starts. Default: the last whole window before its start. */
  readonly at?: string | undefined;
  /** Whether a window that is in is moved again, and takes the place of its rows. Default: no. */
  readonly force?: boolean | undefined;
}

/** In milliseconds, or in keys. */
export interface Pace {
  readonly kind: CursorKind;
  /** Of times only. */
  readonly window: number;
  readonly lag: number;
  readonly overlap: number;
}

const PLACE = 'incrementalTransfer input';

/** A duration, or how many keys: which one depends on the cursor, which the window tells. */
const distance: Check<string | number> = (value, at) =>
  typeof value === 'number' ? positive(value, at) : text(value, at);

const shape: Check<IncrementalTransferInput> = object({
  ...commonShape,
  tables: listOf(object({ ...tableShape, cursor: optional(text) })),
  mode: oneOf('append', 'merge'),
  cursor: optional(text),
  window: optional(text),
  lag: optional(distance),
  overlap: optional(distance),
  at: optional(text),
  force: optional(flag),
});

/** Throws an error that names the key when the input is not one that `incrementalTransfer` can run. */
export function checkIncrementalInput(value: unknown): { input: IncrementalTransferInput; pace: Pace } {
  const input = shape(value, PLACE);
  checkTables(input.tables, PLACE);
  for (const [index, table] of input.tables.entries()) {
    if (table.cursor === undefined && input.cursor === undefined) {
      throw new ShapeError(
        `${PLACE}.cursor is missing, and tables[${index}] has none. Name the column that says which rows are new`,
      );
    }
  }
  if (input.overlap !== undefined && input.mode !== 'merge') {
    throw new BadInput(
      `${PLACE}.overlap reads rows again that are in, which mode append would double. Use mode merge, or leave out overlap`,
    );
  }
  if (input.at !== undefined) checkTime(input);
  return { input, pace: paceOf(input) };
}

function checkTime({ at, window }: IncrementalTransferInput): void {
  if (window === undefined) {
    throw new BadInput(`${PLACE}.at is for cursors that are times, which need a window. Leave it out`);
  }
  if (/T.*(Z|[+-]\d{2}:\d{2})$/.test(at!) && !Number.isNaN(Date.parse(at!))) return;
  throw new ShapeError(`${PLACE}.at must be a time with its zone, as 2026-11-01T06:30:00Z, not ${show(at)}`);
}

function paceOf({ window, lag, overlap }: IncrementalTransferInput): Pace {
  const kind = window === undefined ? 'key' : 'time';
  const measured = (value: string | number | undefined, at: string): number => {
    if (value === undefined) return 0;
    if (kind === 'time') return duration(value, at);
    if (typeof value === 'number') return value;
    throw new ShapeError(
      `${at} must be a whole number, not ${show(value)}: without a window, the cursor is a rising key`,
    );
  };
  return {
    kind,
    window: measured(window, `${PLACE}.window`),
    lag: measured(lag, `${PLACE}.lag`),
    overlap: measured(overlap, `${PLACE}.overlap`),
  };
}

/** Which rows is found out later. */
export function cursorSteps(
  { tables, cursor, force = false }: IncrementalTransferInput,
  { kind }: Pace,
): TableStep[] {
  return tableSteps(tables).map((step, index) => {
    const column = tables[index]!.cursor ?? cursor!;
    return { ...step, cursor: { column, kind, claims: [], reads: [], force } };
  });
}

/** Two servers of Temporal need not have the very same time. */
const CLOCKS_APART_MS = 60_000;

/** The window before the run's nominal time, less the lag. No worker's clock has a say in it. */
export function nominalWindow(
  { window, lag }: Pace,
  run: { readonly at?: string | undefined; readonly scheduled?: Date | undefined; readonly started: Date },
): Interval {
  const nominal =
    run.at !== undefined
      ? Date.parse(run.at)
      : (run.scheduled?.getTime() ?? Math.floor(run.started.getTime() / window) * window);
  const to = nominal - lag;
  if (to > run.started.getTime() + CLOCKS_APART_MS) {
    throw new BadInput(
      `The window ${isoTime(to - window)} to ${isoTime(to)} is not over yet. Its rows would be missed, so move it later`,
    );
  }
  return { from: isoTime(to - window), to: isoTime(to) };
}
