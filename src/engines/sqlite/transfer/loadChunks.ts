/** Staged chunks become rows of a table, in a transaction that is open. */
import type Database from 'better-sqlite3';
import { BadInput, RowsRejected } from '../../../domain/errors.js';
import type { SqlValue } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import { csvRows } from '../../shared/csvReader.js';
import type { Field } from '../../shared/csvWriter.js';
import { rowText } from '../../shared/csvWriter.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { BATCH_ID, LOADED_AT } from '../../shared/incoming.js';
import type { Load } from '../../transferContract.js';
import { quote } from '../connect.js';
import { position } from './cursor.js';
import type { Ledger } from './ledger.js';
import type { OrderedTable } from './loaderThread.js';
import { fieldReader } from './values.js';

/** Rows that are put by one statement, because a call of SQLite costs as much as some values. */
const ROWS_AT_ONCE = 25;
/** Of one statement. */
const MOST_VALUES = 32_766;

export interface ChunkLoad extends Pick<Load, 'batch' | 'mode' | 'allowRejected'> {
  readonly table: OrderedTable;
  /** As the file spells it. */
  readonly name: string;
  readonly columns: readonly FittedColumn[];
  readonly ledger: Ledger;
  /** The bytes of the next chunk, for who says how many rows are in. */
  readonly nextChunk: (rows: () => number) => AsyncIterable<Uint8Array>;
}

export interface LoadedChunks {
  readonly loaded: number;
  readonly rejected: number;
  /** Rows that made room for older ones. */
  readonly newer: number;
}

export async function loadChunks(db: Database.Database, load: ChunkLoad): Promise<LoadedChunks> {
  const { table, ledger, nextChunk } = load;
  const counts = { loaded: 0, rejected: 0, newer: 0 };
  const put = rowPutter(db, load, (newer) => {
    counts.newer += newer;
  });
  const putTogether = groupPutter(db, load);
  for (let chunk = 0; chunk < table.chunks; chunk++) {
    let row = 0;
    let rejected = 0;
    for await (const rows of csvRows(nextChunk(() => counts.loaded + row))) {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
        const group = rows.slice(from, from + ROWS_AT_ONCE);
        if (putTogether(group)) {
          row += group.length;
          continue;
        }
        for (const one of group) {
          row++;
          const reason = put(one);
          if (reason === undefined) continue;
          refuse(load, reason, chunk, row, one);
          rejected++;
        }
      }
    }
    ledger.add(chunk, row - rejected);
    counts.loaded += row - rejected;
    counts.rejected += rejected;
  }
  return counts;
}

function refuse(
  { table, ledger, allowRejected }: ChunkLoad,
  reason: string,
  chunk: number,
  row: number,
  fields: readonly Field[],
): void {
  if (allowRejected) {
    ledger.keepRejected({ chunk, row, reason, content: rowText(fields) });
    return;
  }
  throw new RowsRejected(
    `${formatTableName(table.to)}: the target refuses row ${row} of chunk ${chunk}: ${reason}. ` +
      'Mend the row or the table; a transfer with allowRejected leaves such rows out and keeps them in BatchRejected',
  );
}

/** Puts a whole group, or nothing of it: then it is put row by row, which shows what is refused. */
function groupPutter(
  db: Database.Database,
  { table, name, columns, batch, mode }: ChunkLoad,
): (rows: ReadonlyArray<readonly Field[]>) => boolean {
  // A merge makes room for each row before it is put.
  if (mode === 'merge' || columns.length * ROWS_AT_ONCE > MOST_VALUES) return () => false;
  const row = `(${columns.map(() => '?').join(', ')}, ${batch.logID}, '${batch.loadedAt}')`;
  const insert = db.prepare(
    `${insertInto(name, columns)} VALUES ${Array(ROWS_AT_ONCE).fill(row).join(', ')}`,
  );
  const readers = columns.map(({ type }) => fieldReader(type));
  const values: SqlValue[] = new Array<SqlValue>(columns.length * ROWS_AT_ONCE).fill(null);
  return (rows) => {
    if (rows.length < ROWS_AT_ONCE) return false;
    for (let at = 0, index = 0; index < rows.length; index++) {
      checkWidth(table, rows[index]!, columns);
      for (let column = 0; column < columns.length; column++) {
        const field = rows[index]![column]!;
        values[at++] = field === null ? null : readers[column]!(field);
      }
    }
    try {
      // One by one: the driver takes them from an array more slowly.
      insert.run(...values);
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  };
}

function insertInto(name: string, columns: readonly FittedColumn[]): string {
  const names = [...columns.map((column) => column.name), BATCH_ID, LOADED_AT];
  return `INSERT INTO ${quote(name)} (${names.map(quote).join(', ')})`;
}

function checkWidth(table: OrderedTable, fields: readonly Field[], columns: readonly FittedColumn[]): void {
  if (fields.length === columns.length) return;
  throw new Error(
    `${formatTableName(table.to)}: a staged row has ${fields.length} fields, and ${columns.length} were expected`,
  );
}

function isRefusal(error: unknown): error is Error {
  const { code } = error as { code?: string };
  return code?.startsWith('SQLITE_CONSTRAINT') || code === 'SQLITE_MISMATCH' || code === 'SQLITE_TOOBIG';
}

/** Puts a row, or answers why the table refuses it. */
function rowPutter(
  db: Database.Database,
  load: ChunkLoad,
  onNewer: (rows: number) => void,
): (fields: readonly Field[]) => string | undefined {
  const { table, name, columns, batch, mode } = load;
  const insert = db.prepare(
    `${insertInto(name, columns)} VALUES (${columns.map(() => '?').join(', ')}, ${batch.logID}, '${batch.loadedAt}')`,
  );
  const remove = mode === 'merge' ? keyRemover(db, load) : undefined;
  const readers = columns.map(({ type }) => fieldReader(type));
  const replace = (): void => {
    const newer = remove?.(values) ?? 0;
    insert.run(...values);
    onNewer(newer);
  };
  // A row that is refused leaves the one that it would have replaced.
  const put = remove && load.allowRejected ? db.transaction(replace) : replace;
  const values: SqlValue[] = columns.map(() => null);
  return (fields) => {
    checkWidth(table, fields, columns);
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] ?? null;
      values[index] = field === null ? null : readers[index]!(field);
    }
    try {
      put();
      return undefined;
    } catch (error) {
      if (isRefusal(error)) return error.message;
      throw error;
    }
  };
}

/** The row that is there with this key makes room for the one that comes. Answers how many of them were newer. */
function keyRemover(
  db: Database.Database,
  { table, name, columns }: ChunkLoad,
): (values: readonly SqlValue[]) => number {
  const placeOf = (wanted: string): number => table.columns.findIndex((column) => column.name === wanted);
  const places = table.key.map(placeOf);
  const condition = places.map((place) => `${quote(columns[place]!.name)} = ?`).join(' AND ');
  const cursor = table.claim && { kind: table.claim.kind, place: placeOf(table.cursor!) };
  const isNewer = cursor
    ? `${position(cursor.kind, quote(columns[cursor.place]!.name))} > ${position(cursor.kind, '@cursor')}`
    : 'false';
  const remove = db.prepare(`DELETE FROM ${quote(name)} WHERE ${condition} RETURNING ${isNewer}`).pluck();
  return (values) => {
    const key = places.map((place) => values[place] ?? null);
    const empty = key.findIndex((value) => value === null);
    if (empty >= 0) {
      throw new BadInput(
        `${formatTableName(table.to)}: a row has no ${table.key[empty]}, which is part of the key. Name a key that every row has`,
      );
    }
    const cursorValue = cursor ? [{ cursor: values[cursor.place] ?? null }] : [];
    return remove.all(...key, ...cursorValue).filter((newer) => newer === 1).length;
  };
}
