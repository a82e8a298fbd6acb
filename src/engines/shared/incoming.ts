/** How the columns that come fit into a table that is there, or into one that is to be made. */
import type { Column, ColumnType } from '../../domain/columnType.js';
import { describeType, fits } from '../../domain/columnType.js';
import { BadInput } from '../../domain/errors.js';
import { formatTableName } from '../../domain/table.js';
import type { IncomingTable } from '../transferContract.js';

/** The columns that every loaded table has on top of the source's. */
export const BATCH_ID = 'BatchID';
export const LOADED_AT = 'LoadedAt';
const OWN_COLUMNS = [BATCH_ID.toLowerCase(), LOADED_AT.toLowerCase()];

export interface FittedColumn {
  /** What the target calls it. */
  readonly name: string;
  /** What the target has, or gets. */
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly isMissing: boolean;
}

/**
 * A column for each one that comes, in the same order. `existing` is undefined when the table is to be made; `newName` says
 * what the engine calls a column that it makes. Nothing is dropped or narrowed: that is an error which names the column.
 */
export function fitColumns(
  { to, columns, cursor }: IncomingTable,
  existing: readonly Column[] | undefined,
  newName: (name: string) => string = (name) => name,
): FittedColumn[] {
  const table = formatTableName(to);
  const taken = new Map<string, string>();
  const fitted = columns.map(({ name, type, nullable }): FittedColumn => {
    if (OWN_COLUMNS.includes(name.toLowerCase())) {
      throw new BadInput(
        `The source of ${table} has a column ${name}, which is what every loaded row gets from the transfer. ` +
          'Read it through a view that gives it another name, or leave it out with columns',
      );
    }
    const found = existing && findColumn(existing, name);
    const target = found?.name ?? newName(name);
    const other = taken.get(target);
    if (other !== undefined) {
      throw new BadInput(
        `The columns ${other} and ${name} would both be ${target} in ${table}. Rename one of them`,
      );
    }
    taken.set(target, name);
    if (found && !fits(type, found.type)) {
      throw new BadInput(
        `${table}: the column ${found.name} is ${describeType(found.type)}, and the source's is ${describeType(type)}, which does not fit in. ` +
          'Widen the column, or change the source',
      );
    }
    if (found && name === cursor && orderOf(found.type) !== orderOf(type)) {
      throw new BadInput(
        `${table}: the cursor ${found.name} is ${describeType(found.type)}, and the source's is ${describeType(type)}, so an interval's rows can't be found by it. ` +
          'Make the column of the same type',
      );
    }
    // Rows that are there have no value for a column that comes later.
    return found
      ? { name: target, type: found.type, nullable: found.nullable, isMissing: false }
      : { name: target, type, nullable: nullable || existing !== undefined, isMissing: true };
  });
  for (const { name } of existing ?? []) {
    if (taken.has(name) || OWN_COLUMNS.includes(name.toLowerCase())) continue;
    throw new BadInput(
      `${table} has a column ${name}, and the source has none of this name any more. ` +
        'Drop it from the target when it is not needed, or give the source a view that has it',
    );
  }
  const hasOwn = existing?.some(({ name }) => name.toLowerCase() === BATCH_ID.toLowerCase()) ?? true;
  if (!hasOwn) {
    throw new BadInput(
      `${table} exists and has no column ${BATCH_ID}, so it is no table that transfers load. Name another one`,
    );
  }
  return fitted;
}

/** Whole numbers are decimals where a database has no type of their own. */
function orderOf({ kind }: ColumnType): ColumnType['kind'] {
  return kind === 'integer' ? 'decimal' : kind;
}

/** What the target makes of a column that the source has under this name. */
export function fittedColumn(
  { columns }: IncomingTable,
  fitted: readonly FittedColumn[],
  name: string,
): FittedColumn {
  return fitted[columns.findIndex((column) => column.name === name)]!;
}

/** By its very name, else by one that differs in upper and lower case only. */
export function findColumn<T extends { readonly name: string }>(
  columns: readonly T[],
  name: string,
): T | undefined {
  const folded = name.toLowerCase();
  return (
    columns.find((column) => column.name === name) ??
    columns.find((column) => column.name.toLowerCase() === folded)
  );
}
