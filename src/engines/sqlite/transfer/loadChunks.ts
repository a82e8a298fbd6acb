/** Staged chunks become rows of a table, in a transaction that is open. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { BadInput, RowsRejected } from '../../../domain/errors.js';
import type { SqlValue } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import { csvRows } from '../../shared/csvReader.js';
import type { Field } from '../../shared/csvWriter.js';
import { rowText } from '../../shared/csvWriter.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { BATCH_ID, LOADED_AT } from '../../shared/incoming.js';
import type { Load, LoadingTable } from '../../transferContract.js';
import { quote } from '../connect.js';
import type { Ledger } from './ledger.js';
import { position } from './cursor.js';
import { fieldReader } from './values.js';

export interface ChunkLoad extends Pick<Load, 'batch' | 'mode' | 'allowRejected' | 'onProgress'> {
  readonly table: LoadingTable;
  /** As the file spells it. */
  readonly name: string;
  readonly columns: readonly FittedColumn[];
  readonly ledger: Ledger;
  readonly signal: AbortSignal;
}

export interface LoadedChunks {
  readonly loaded: number;
  readonly rejected: number;
  /** Rows that made room for older ones. */
  readonly newer: number;
}

export async function loadChunks(db: Database.Database, load: ChunkLoad): Promise<LoadedChunks> {
  const { table, ledger, signal, onProgress } = load;
  const counts = { loaded: 0, rejected: 0, newer: 0 };
  const put = rowPutter(db, load, (newer) => {
    counts.newer += newer;
  });
  for (const [chunk, { open }] of table.chunks.entries()) {
    let row = 0;
    let rejected = 0;
    for await (const fields of csvRows(await open())) {
      for (const one of fields) {
        row++;
        const reason = put(one);
        if (reason === undefined) continue;
        refuse(load, reason, chunk, row, one);
        rejected++;
      }
      signal.throwIfAborted();
      onProgress(counts.loaded + row);
      await nextTurn();
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
      'Mend the row or the table; or set allowRejected, which leaves such rows out and keeps them in BatchRejected',
  );
}

/** Puts a row, or answers why the table refuses it. */
function rowPutter(
  db: Database.Database,
  load: ChunkLoad,
  onNewer: (rows: number) => void,
): (fields: readonly Field[]) => string | undefined {
  const { table, name, columns, batch, mode } = load;
  const names = [...columns.map((column) => column.name), BATCH_ID, LOADED_AT];
  const insert = db.prepare(
    `INSERT INTO ${quote(name)} (${names.map(quote).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  const remove = mode === 'merge' ? keyRemover(db, load) : undefined;
  const readers = columns.map(({ type }) => fieldReader(type));
  const replace = (): void => {
    const newer = remove?.(values) ?? 0;
    insert.run(values);
    onNewer(newer);
  };
  // A row that is refused leaves the one that it would have replaced.
  const put = remove && load.allowRejected ? db.transaction(replace) : replace;
  const values: SqlValue[] = [...columns.map(() => null), BigInt(batch.logID), batch.loadedAt];
  return (fields) => {
    if (fields.length !== columns.length) {
      throw new Error(
        `${formatTableName(table.to)}: a staged row has ${fields.length} fields, and ${columns.length} were expected`,
      );
    }
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] ?? null;
      values[index] = field === null ? null : readers[index]!(field);
    }
    try {
      put();
      return undefined;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code?.startsWith('SQLITE_CONSTRAINT') || code === 'SQLITE_MISMATCH' || code === 'SQLITE_TOOBIG') {
        return message;
      }
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
