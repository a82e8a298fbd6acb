/**
 * A folder of SQLite files as a source. A read transaction belongs to its connection and can't be shared, so all of a batch
 * is read by the one who opened it. Tables of one file are of one moment; two files are opened one after the other.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type Database from 'better-sqlite3';
import type { Column } from '../../../domain/columnType.js';
import { BadInput, NotFound } from '../../../domain/errors.js';
import type { SqlValue, TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import { csvBytes } from '../../shared/csvWriter.js';
import type { Field } from '../../shared/csvWriter.js';
import { findColumn } from '../../shared/incoming.js';
import type {
  Bounds,
  Extraction,
  PlaceOptions,
  Selection,
  Snapshot,
  SourceTable,
  TransferSource,
} from '../../transferContract.js';
import { folderOf, openForReading, patiently, quote, schemaFile, schemaFiles } from '../connect.js';
import { columnNames, tablesOf } from '../tables.js';
import { isNoTime, isWithin } from './cursor.js';
import { typeOf } from './types.js';
import { fieldWriter, showValue } from './values.js';

export async function openSource({ url, signal }: PlaceOptions): Promise<TransferSource> {
  const folder = folderOf(url);
  const label = `sqlite:${basename(folder)}`;
  const openSnapshot = async (): Promise<Snapshot> => new SqliteSnapshot(folder, label, signal);
  return {
    label,
    sharesSnapshots: false,
    openSnapshot,
    joinSnapshot: openSnapshot,
    close: async () => undefined,
  };
}

class SqliteSnapshot implements Snapshot {
  readonly id = '';
  readonly #files = new Map<string, Database.Database>();
  readonly #reading = new Set<IterableIterator<SqlValue[]>>();

  constructor(
    readonly folder: string,
    readonly label: string,
    readonly signal: AbortSignal,
  ) {}

  async describe({ table, columns, cursor }: Selection): Promise<SourceTable> {
    const db = await this.#open(table);
    const all = db
      .prepare<[string], { name: string; type: string; notnull: number; pk: number; hidden: number }>(
        'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)',
      )
      .all(table.name)
      // Hidden columns of virtual tables; generated ones are 2 and 3, and are read like others.
      .filter(({ hidden }) => hidden !== 1);
    const find = (name: string): (typeof all)[number] => {
      const found = findColumn(all, name);
      if (found) return found;
      throw new NotFound(
        `${formatTableName(table)} of ${this.label} has no column ${JSON.stringify(name)}. Its columns: ${all.map((one) => one.name).join(', ')}`,
      );
    };
    const column = ({ name, type, notnull }: (typeof all)[number]): Column => ({
      ...{ name, type: typeOf(type), nullable: notnull === 0 },
    });
    return {
      columns: (columns?.map(find) ?? all).map(column),
      cursor: cursor && column(find(cursor.column)),
      primaryKey: all
        .filter(({ pk }) => pk > 0)
        .sort((a, b) => a.pk - b.pk)
        .map(({ name }) => name),
    };
  }

  async count(selection: Selection): Promise<number> {
    const db = await this.#open(selection.table);
    const { sql, values } = rowsOf(selection, 'count(*)');
    return this.#asked(selection, () => db.prepare(sql).pluck().get(values) as number);
  }

  async bounds({ table, where, cursor }: Selection): Promise<Bounds | undefined> {
    const db = await this.#open(table);
    const key = quote(cursor!.column);
    const { sql } = rowsOf({ table, where }, `min(${key}), max(${key})`);
    const [lowest, highest] = this.#asked({ table }, () => db.prepare(sql).raw().safeIntegers().get()) as [
      SqlValue,
      SqlValue,
    ];
    if (lowest === null) return undefined;
    if (typeof lowest === 'bigint' && typeof highest === 'bigint') {
      return { lowest: String(lowest), highest: String(highest) };
    }
    throw new BadInput(
      `${formatTableName(table)} of ${this.label}: the cursor ${cursor!.column} holds values that are no whole numbers. Mend them`,
    );
  }

  async checkTimes({ table, where, cursor }: Selection): Promise<void> {
    const db = await this.#open(table);
    const { column } = cursor!;
    const { sql } = rowsOf({ table, where }, `min(${quote(column)}) FILTER (WHERE ${isNoTime(column)})`);
    const found = this.#asked({ table }, () => db.prepare(sql).pluck().safeIntegers().get()) as SqlValue;
    if (found === null) return;
    throw new BadInput(
      `${formatTableName(table)} of ${this.label}: the cursor ${column} holds ${showValue(found)}, which SQLite can't read as a time, so no run would move its row. ` +
        'Write it as a text like 2025-11-01 06:10:00, or leave such rows out with where',
    );
  }

  /** What SQLite can't read is what the input says. */
  #asked<T>({ table }: Selection, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_ERROR') throw error;
      throw new BadInput(
        `${formatTableName(table)}: ${this.label} refuses to read it: ${(error as Error).message}. Correct where`,
        { cause: error },
      );
    }
  }

  async ranges(): Promise<string[]> {
    return ['all'];
  }

  async extract(selection: Selection, columns: readonly Column[]): Promise<Extraction> {
    let sent = 0;
    const table = formatTableName(selection.table);
    const writers = columns.map((column) => fieldWriter(column, `${table} of ${this.label}`));
    const rows = function* (this: SqliteSnapshot): Generator<Field[]> {
      const db = this.#files.get(selection.table.schema)!;
      const { sql, values } = rowsOf(selection, columns.map(({ name }) => quote(name)).join(', '));
      const statement = db.prepare(sql).raw().safeIntegers();
      const found = statement.iterate(values) as IterableIterator<SqlValue[]>;
      this.#reading.add(found);
      for (const row of found) {
        if (++sent % 1_000 === 0) this.signal.throwIfAborted();
        yield writers.map((write, index) => write(row[index]!));
      }
    };
    return { body: csvBytes(rows.call(this)), rows: () => sent };
  }

  async keepAlive(): Promise<void> {}

  async close(): Promise<void> {
    // What nobody reads to its end keeps its connection from being closed.
    for (const rows of this.#reading) rows.return!();
    for (const db of this.#files.values()) db.close();
  }

  async #open(table: TableName): Promise<Database.Database> {
    const db = this.#files.get(table.schema) ?? (await this.#begin(table));
    if (columnNames(db, table.name).size > 0) return db;
    const known = tablesOf(db).map((name) => formatTableName({ ...table, name }));
    throw new NotFound(
      `There is no table ${formatTableName(table)} in ${this.label}. Tables in ${table.schema}: ${known.join(', ') || 'none'}`,
    );
  }

  async #begin(table: TableName): Promise<Database.Database> {
    const file = schemaFile(this.folder, table.schema);
    if (!existsSync(file)) {
      const known = [...schemaFiles(this.folder).keys()].join(', ');
      throw new NotFound(
        `There is no table ${formatTableName(table)} in ${this.label}: it has no file ${basename(file)}. ` +
          `Schemas there: ${known || 'none'}`,
      );
    }
    const db = await openForReading(file);
    this.#files.set(table.schema, db);
    await patiently(() => {
      if (!db.inTransaction) db.exec('BEGIN');
      // The transaction sees the file as it is at its first read.
      db.prepare('SELECT count(*) FROM sqlite_schema').get();
    });
    return db;
  }
}

/** A condition stands on lines of its own, so that a comment at its end hides nothing. */
function rowsOf({ table, where, cursor }: Selection, what: string): { sql: string; values: string[] } {
  const within = cursor && isWithin(cursor, cursor.reads);
  const conditions = [
    ...(where === undefined ? [] : [`(\n${where}\n)`]),
    ...(within ? [within.condition] : []),
  ];
  return {
    sql: `SELECT ${what} FROM ${quote(table.name)}${conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : ''}`,
    values: within?.values ?? [],
  };
}
