/** Where a row is on its cursor, in PostgreSQL's SQL. */
import type { CursorKind, Interval } from '../../../domain/interval.js';
import { quote } from '../schemaName.js';

/** A condition for the rows in one of the intervals. In itself, because COPY has no parameters. */
export function isWithin(
  { column, kind }: { readonly column: string; readonly kind: CursorKind },
  intervals: readonly Interval[],
): string {
  const at = quote(column);
  // A text without a type is taken for the column's; a number may be beyond the column's, as the end of an interval.
  const bound = (text: string): string =>
    kind === 'key' ? String(BigInt(text)) : `'${text.replaceAll("'", "''")}'`;
  return `(${intervals.map(({ from, to }) => `${at} >= ${bound(from)} AND ${at} < ${bound(to)}`).join(' OR ')})`;
}
