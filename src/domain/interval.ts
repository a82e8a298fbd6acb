/** Intervals of a cursor. Between steps and in ledgers they are texts; here they are counted with, as whole numbers. */
import { BadInput } from './errors.js';
import { show } from './shape.js';
import { isoTime } from './time.js';

/** A point in time, or a whole number that only rises. */
export type CursorKind = 'time' | 'key';

/** `from` is in, `to` is not. Times are ISO 8601 in UTC with milliseconds. */
export interface Interval {
  readonly from: string;
  readonly to: string;
}

interface Span {
  readonly from: bigint;
  readonly to: bigint;
}

/** Ordered, and those that meet as one. Empty ones are left out. */
export function joined(intervals: readonly Interval[], kind: CursorKind): Interval[] {
  return joinedSpans(intervals.map((one) => spanOf(one, kind))).map((one) => intervalOf(one, kind));
}

/** What is left of the intervals when those that are taken are cut out. */
export function without(
  intervals: readonly Interval[],
  taken: readonly Interval[],
  kind: CursorKind,
): Interval[] {
  let left = joinedSpans(intervals.map((one) => spanOf(one, kind)));
  for (const cut of joinedSpans(taken.map((one) => spanOf(one, kind)))) {
    left = left.flatMap(({ from, to }) =>
      [
        { from, to: to < cut.from ? to : cut.from },
        { from: from > cut.to ? from : cut.to, to },
      ].filter((rest) => rest.from < rest.to),
    );
  }
  return left.map((one) => intervalOf(one, kind));
}

export function meets(a: Interval, b: Interval, kind: CursorKind): boolean {
  const [left, right] = [spanOf(a, kind), spanOf(b, kind)];
  return left.from < right.to && right.from < left.to;
}

/** The interval from the lowest `from` to the highest `to`. */
export function around(intervals: readonly Interval[], kind: CursorKind): Interval {
  const spans = intervals.map((one) => spanOf(one, kind));
  const from = spans.reduce((lowest, one) => (one.from < lowest ? one.from : lowest), spans[0]!.from);
  const to = spans.reduce((highest, one) => (one.to > highest ? one.to : highest), spans[0]!.to);
  return intervalOf({ from, to }, kind);
}

/** So many milliseconds, or keys, on. */
export function moved(position: string, by: number, kind: CursorKind): string {
  return textOf(numberOf(position, kind) + BigInt(by), kind);
}

function joinedSpans(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  const ordered = spans.filter(({ from, to }) => from < to);
  ordered.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  for (const { from, to } of ordered) {
    const last = result.at(-1);
    if (!last || from > last.to) result.push({ from, to });
    else if (to > last.to) result.splice(-1, 1, { from: last.from, to });
  }
  return result;
}

function spanOf({ from, to }: Interval, kind: CursorKind): Span {
  return { from: numberOf(from, kind), to: numberOf(to, kind) };
}

function intervalOf({ from, to }: Span, kind: CursorKind): Interval {
  return { from: textOf(from, kind), to: textOf(to, kind) };
}

function numberOf(text: string, kind: CursorKind): bigint {
  const isKey = /^-?\d+$/.test(text);
  const time = isKey ? NaN : Date.parse(text);
  if (kind === 'key' && isKey) return BigInt(text);
  if (kind === 'time' && !Number.isNaN(time)) return BigInt(time);
  throw new BadInput(
    `${show(text)} in the ledger BatchInterval is no ${kind === 'key' ? 'whole number' : 'time'}, as the cursor is now. ` +
      'When the type of the column was changed, remove the entries of this table from BatchInterval',
  );
}

function textOf(value: bigint, kind: CursorKind): string {
  return kind === 'key' ? String(value) : isoTime(Number(value));
}
