/** Where a row is on its cursor, in SQLite's SQL. */
import type { CursorKind, Interval } from '../../../domain/interval.js';
import { quote } from '../connect.js';

/**
 * SQLite keeps times as texts in several spellings, of which its own function knows the moment; a zone of hours only, which
 * is PostgreSQL's spelling, it does not know.
 */
export function position(kind: CursorKind, expression: string): string {
  if (kind === 'key') return expression;
  const text = `CASE WHEN ${expression} GLOB '*:*[+-][0-9][0-9]' THEN ${expression} || ':00' ELSE ${expression} END`;
  return `unixepoch(${text}, 'subsec')`;
}

/**
 * A condition for the rows whose moment is not known, so that no interval would ever hold them. SQLite makes a moment
 * also of what has no date: a number would be Julian days. Infinity is where PostgreSQL has it, beyond every interval.
 */
export function isNoTime(column: string): string {
  const at = quote(column);
  return `${at} NOT IN ('infinity', '-infinity') AND (${at} NOT GLOB '[0-9][0-9][0-9][0-9]-*' OR ${position('time', at)} IS NULL)`;
}

/** A condition for the rows in one of the intervals, with what to bind. */
export function isWithin(
  { column, kind }: { readonly column: string; readonly kind: CursorKind },
  intervals: readonly Interval[],
): { condition: string; values: string[] } {
  const at = position(kind, quote(column));
  const bound = kind === 'key' ? '?' : "unixepoch(?, 'subsec')";
  return {
    condition: `(${intervals.map(() => `${at} >= ${bound} AND ${at} < ${bound}`).join(' OR ')})`,
    // The column makes numbers of them, also of one that is too large for it, as the end of an interval.
    values: intervals.flatMap(({ from, to }) => [from, to]),
  };
}
