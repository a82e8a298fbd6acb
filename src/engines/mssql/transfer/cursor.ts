/** Where a row is on its cursor, in T-SQL. */
import type { Column } from '../../../domain/columnType.js';
import type { CursorKind, Interval } from '../../../domain/interval.js';
import { isoTime } from '../../../domain/time.js';
import { quote } from './names.js';
import { typeName } from './types.js';

/**
 * A condition for the rows in one of the intervals. A moment has a type of its own, because a text would be rounded to
 * what a DATETIME can hold, or a SMALLDATETIME.
 */
export function isWithin(
  { name, type }: Pick<Column, 'name' | 'type'>,
  kind: CursorKind,
  intervals: readonly Interval[],
): string {
  const at = quote(name);
  const moment = (text: string): string => {
    const spelled = isoTime(Date.parse(text)).replace('Z', hasZone(type) ? '+00:00' : '');
    return `CAST('${spelled}' AS ${typeName(type)})`;
  };
  const bound = (text: string): string => (kind === 'key' ? String(BigInt(text)) : moment(text));
  return `(${intervals.map(({ from, to }) => `${at} >= ${bound(from)} AND ${at} < ${bound(to)}`).join(' OR ')})`;
}

function hasZone(type: Column['type']): boolean {
  return type.kind === 'timestamp' && type.zone;
}
