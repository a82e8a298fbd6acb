/** Reads and writes of one table by a transaction, each for any number of rows. */
import type { Bind } from 'snowflake-sdk';
import type { Frame } from './frame.js';
import { rowReader, sourcesOf } from './rows.js';
import { ids, merge, readList, type MergeOptions, type Table } from './statements.js';

export class Tables {
  constructor(
    readonly frame: Frame,
    readonly schema: string,
  ) {}

  name(table: Table): string {
    return `${this.schema}.${table}`;
  }

  /** The rows whose `key` is one of the values. */
  async find<T>(
    table: Table,
    columns: ReadonlyArray<keyof T & string>,
    key: string,
    values: ReadonlyArray<string | number>,
  ): Promise<T[]> {
    if (values.length === 0) return [];
    const wanted = ids(values);
    const rows = await this.frame.read([table], {
      text: `SELECT ${readList(columns)} FROM ${this.name(table)} T WHERE T.${key} IN ${wanted.text}`,
      binds: wanted.binds,
    });
    return rows.map(rowReader<T>(columns));
  }

  /** The rows that have the values of one of the keys in `by`, where `where` holds of the table `T`. */
  async findByKeys<T, K>(
    table: Table,
    columns: ReadonlyArray<keyof T & string>,
    keys: readonly K[],
    by: ReadonlyArray<keyof K & string>,
    where = 'TRUE',
  ): Promise<T[]> {
    const found: T[] = [];
    const on = by.map((column) => `T.${column} = S.${column}`).join(' AND ');
    for (const { text, binds } of sourcesOf(keys, by)) {
      const rows = await this.frame.read([table], {
        text: `SELECT ${readList(columns)} FROM ${this.name(table)} T JOIN ${text} S ON ${on} WHERE ${where}`,
        binds,
      });
      found.push(...rows.map(rowReader<T>(columns)));
    }
    return found;
  }

  /** `must`: a conflict, unless each of the rows is inserted or replaced. */
  merge<T>(
    table: Table,
    rows: readonly T[],
    columns: ReadonlyArray<keyof T & string>,
    { must = false, ...options }: MergeOptions & { readonly must?: boolean },
  ): void {
    this.frame.write({
      table,
      statements: sourcesOf(rows, columns).map((source) => merge(this.name(table), source, options)),
      ...(must ? { rows: rows.length } : {}),
    });
  }

  insert<T>(table: Table, rows: readonly T[], columns: ReadonlyArray<keyof T & string>): void {
    const names = columns.join(', ');
    this.frame.write({
      table,
      statements: sourcesOf(rows, columns).map(({ text, binds }) => ({
        text: `INSERT INTO ${this.name(table)} (${names}) SELECT ${names} FROM ${text} ORDER BY Position`,
        binds,
      })),
    });
  }

  /** Removes all rows of these batches. */
  remove(table: Table, logIDs: readonly number[]): void {
    const wanted = ids(logIDs);
    this.frame.write({
      table,
      statements: [
        { text: `DELETE FROM ${this.name(table)} WHERE LogID IN ${wanted.text}`, binds: wanted.binds },
      ],
    });
  }

  /** Makes the same change to all rows whose `key` is one of the values. */
  update(
    table: Table,
    change: string,
    key: string,
    values: ReadonlyArray<string | number>,
    binds: readonly Bind[] = [],
  ): void {
    if (values.length === 0) return;
    const wanted = ids(values);
    this.frame.write({
      table,
      statements: [
        {
          text: `UPDATE ${this.name(table)} SET ${change} WHERE ${key} IN ${wanted.text}`,
          binds: [...binds, ...wanted.binds],
        },
      ],
    });
  }
}
