/** Where a row is on its cursor, in Snowflake's SQL. */
import type { CursorKind, Interval } from '../../../domain/interval.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { quote } from './names.js';
import { typeName } from './types.js';

/** A condition for the rows in one of the intervals. A moment is a number of milliseconds, which is read by no format. */
export function isWithin(
  { name, type }: FittedColumn,
  kind: CursorKind,
  intervals: readonly Interval[],
): string {
  const at = quote(name);
  const bound = (text: string): string =>
    kind === 'key' ? String(BigInt(text)) : `TO_${typeName(type)}(${Date.parse(text)}, 3)`;
  return `(${intervals.map(({ from, to }) => `${at} >= ${bound(from)} AND ${at} < ${bound(to)}`).join(' OR ')})`;
}
