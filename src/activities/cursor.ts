/** The cursor of an incremental transfer: whether a column can be one, and what the target's ledger is to say of it. */
import { createHash } from 'node:crypto';
import type { ColumnType } from '../domain/columnType.js';
import { describeType } from '../domain/columnType.js';
import { BadInput } from '../domain/errors.js';
import type { CursorKind } from '../domain/interval.js';
import { formatTableName, parseTableName } from '../domain/table.js';
import type { TableStep } from '../domain/transfer.js';
import type { Claim, SourceTable } from '../engines/transferContract.js';

export function checkCursor({ from, cursor }: TableStep, { columns, cursor: found }: SourceTable): void {
  if (!cursor || !found) return;
  const { name, type } = found;
  const kind = kindOf(type);
  if (kind === undefined) {
    throw new BadInput(
      `${from}: the cursor ${name} is ${describeType(type)}. A cursor must be a timestamp, or a whole number that only rises`,
    );
  }
  if (kind !== cursor.kind) {
    const remedy =
      kind === 'time' ? 'so the transfer needs a window, as 30m' : 'and a window is for times. Leave it out';
    throw new BadInput(`${from}: the cursor ${name} is ${describeType(type)}, ${remedy}`);
  }
  if (!columns.some((column) => column.name === name)) {
    throw new BadInput(
      `${from}: the cursor ${name} is not among the columns that are transferred. Add it, so that the target can find an interval's rows`,
    );
  }
}

/** A date is too coarse: rows of a day that is not over would be taken for all of it. */
function kindOf({ kind }: ColumnType): CursorKind | undefined {
  if (kind === 'timestamp') return 'time';
  return kind === 'integer' ? 'key' : undefined;
}

export function claimOf(source: string, table: TableStep): Claim | undefined {
  if (!table.cursor) return undefined;
  const { kind, claims, force } = table.cursor;
  return { kind, force, intervals: claims, source: sourceName(source, table) };
}

/** So that it fits into a key of any database. */
const LONGEST_NAME = 200;

/**
 * Whose rows a table's intervals are: of this table of this connection, by this cursor and under this condition. Two that
 * differ may both load into one table of the target, each with intervals of its own.
 */
export function sourceName(source: string, { from, where, cursor }: TableStep): string {
  const table = formatTableName(parseTableName(from, 'from')).toLowerCase();
  const condition = where === undefined ? '' : ` where ${where}`;
  const name = `${source}: ${table} by ${cursor!.column.toLowerCase()}${condition}`;
  if (name.length <= LONGEST_NAME) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${name.slice(0, LONGEST_NAME - hash.length - 1)}#${hash}`;
}
