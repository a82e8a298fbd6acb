/** Puts a batch's rows into a staging table, in place of those that an earlier attempt left. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { BadInput } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { BatchKey, TableStream } from '../warehouseContract.js';
import { isBusy, openForWriting, patiently, quote } from './connect.js';
import { noteStaged } from './staged.js';
import { BATCH_ID, columnsOf, foldCase, lockedError, pipelineFile } from './tables.js';

/** Tables of one file are staged one after the other, so waiting for the lock can take as long as another's load. */
const PATIENCE_MS = 10 * 60_000;

export async function stage(
  place: { folder: string; label: string },
  table: TableName,
  batch: BatchKey,
  { columns, chunks }: TableStream,
  onProgress: (rows: number) => void,
): Promise<number> {
  if (columns.some(({ name }) => foldCase(name) === foldCase(BATCH_ID))) {
    throw new BadInput(
      `The source of ${formatTableName(table)} has a column ${BATCH_ID} of its own, the name of the column that ` +
        'staging adds. Read the source through a view that gives it another name',
    );
  }
  const db = await openForWriting(pipelineFile(place.folder, table.schema));
  try {
    await begin(db, () => onProgress(0)).catch((error: unknown) => {
      throw isBusy(error) ? lockedError(place.label, [table.schema], error) : error;
    });
    prepareTable(db, table, columns);
    noteStaged(db, batch, table.name);
    const batchID = BigInt(batch.logID);
    db.prepare(`DELETE FROM ${quote(table.name)} WHERE ${quote(BATCH_ID)} = ?`).run(batchID);
    const insert = db.prepare(insertInto(table.name, columns));
    let staged = 0;
    for await (const chunk of chunks) {
      for (const row of chunk) insert.run(...row, batchID);
      staged += chunk.length;
      onProgress(staged);
      await nextTurn();
    }
    db.exec('COMMIT');
    return staged;
  } finally {
    // Rolls back what was not committed.
    db.close();
  }
}

function begin(db: Database.Database, onWait: () => void): Promise<void> {
  return patiently(() => {
    onWait();
    db.exec('BEGIN IMMEDIATE');
  }, PATIENCE_MS);
}

function prepareTable(db: Database.Database, table: TableName, columns: TableStream['columns']): void {
  const present = columnsOf(db, table.name);
  const name = quote(table.name);
  if (present.size === 0) {
    const all = [...columns.map(columnDefinition), `${quote(BATCH_ID)} INTEGER NOT NULL`];
    db.exec(`CREATE TABLE ${name} (${all.join(', ')})`);
  } else if (!present.has(foldCase(BATCH_ID))) {
    throw new BadInput(
      `${formatTableName(table)} exists and has no column ${BATCH_ID}, so it is not a staging table. ` +
        'Name another one, or add the column',
    );
  } else {
    for (const column of columns) {
      if (!present.has(foldCase(column.name))) {
        db.exec(`ALTER TABLE ${name} ADD COLUMN ${columnDefinition(column)}`);
      }
    }
  }
  db.exec(
    `CREATE INDEX IF NOT EXISTS ${quote(`IX_${table.name}_${BATCH_ID}`)} ON ${name} (${quote(BATCH_ID)})`,
  );
}

/** The source's type where it is plain words; SQLite takes any text as a type, and a column also without one. */
function columnDefinition({ name, type }: { name: string; type: string }): string {
  const isPlain = /^\w+(?: \w+)*(?: ?\(\d+(?:, ?\d+)?\))?$/.test(type);
  return isPlain ? `${quote(name)} ${type}` : quote(name);
}

function insertInto(table: string, columns: TableStream['columns']): string {
  const names = [...columns.map(({ name }) => quote(name)), quote(BATCH_ID)];
  return `INSERT INTO ${quote(table)} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
}
