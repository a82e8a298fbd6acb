/** A folder of SQLite files as a target. A batch's tables stand in one file, because two files don't commit together. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type Database from 'better-sqlite3';
import type { Column } from '../../../domain/columnType.js';
import { BadInput } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import { fitColumns, fittedColumn } from '../../shared/incoming.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { checkNotOlder, takeOver } from '../../shared/intervals.js';
import { BATCH_ID, LOADED_AT } from '../../shared/incoming.js';
import type {
  Claim,
  IncomingTable,
  LedgerInterval,
  Load,
  LoadingTable,
  PlaceOptions,
  TransferTarget,
} from '../../transferContract.js';
import { folderOf, hasTable, isBusy, openForReading, openForWriting, patiently, quote } from '../connect.js';
import { lockedError, pipelineFile } from '../tables.js';
import { intervalsOf, Ledger } from './ledger.js';
import { loadChunks } from './loadChunks.js';
import { declaredType, typeOf } from './types.js';

/** Batches that load into one file do so one after the other. */
const PATIENCE_MS = 60 * 60_000;

export async function openTarget({ url, signal }: PlaceOptions): Promise<TransferTarget> {
  return new SqliteTarget(folderOf(url), signal);
}

class SqliteTarget implements TransferTarget {
  readonly label: string;

  constructor(
    readonly folder: string,
    readonly signal: AbortSignal,
  ) {
    this.label = `sqlite:${basename(folder)}`;
  }

  async check(tables: readonly IncomingTable[], _mode: TransferMode): Promise<void> {
    const file = this.#fileOf(namesOf(tables));
    if (!existsSync(file)) {
      for (const table of tables) fitColumns(table, undefined);
      return;
    }
    const db = await openForReading(file);
    try {
      await patiently(() => {
        for (const table of tables) fitColumns(table, columnsOf(db, nameOf(db, table.to)));
      });
    } finally {
      db.close();
    }
  }

  async load(load: Load): Promise<void> {
    const file = this.#fileOf(namesOf(load.tables));
    // A file that is new has no readers whom a log would let go on, and needs not be written twice.
    const isNew = !existsSync(file);
    const db = await openForWriting(file, isNew ? 'DELETE' : 'WAL');
    try {
      await this.#begin(db, load);
      for (const table of load.tables) await this.#loadTable(db, load, table);
      db.exec('COMMIT');
      if (isNew) await patiently(() => db.pragma('journal_mode = WAL'));
    } finally {
      // Rolls back what was not committed.
      db.close();
    }
  }

  async intervals(tables: readonly TableName[]): Promise<LedgerInterval[][]> {
    const file = this.#fileOf(tables);
    if (!existsSync(file)) return tables.map(() => []);
    const db = await openForReading(file);
    try {
      return await patiently(() => {
        const hasLedger = hasTable(db, 'BatchInterval');
        return tables.map((to) => (hasLedger ? intervalsOf(db, this.#fullName(to, nameOf(db, to))) : []));
      });
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {}

  async #begin(db: Database.Database, { onProgress, tables }: Load): Promise<void> {
    await patiently(() => {
      this.signal.throwIfAborted();
      onProgress(0);
      db.exec('BEGIN IMMEDIATE');
    }, PATIENCE_MS).catch((error: unknown) => {
      throw isBusy(error) ? lockedError(this.label, [tables[0]!.to.schema], error) : error;
    });
  }

  async #loadTable(db: Database.Database, load: Load, table: LoadingTable): Promise<void> {
    const { batch, mode } = load;
    const name = nameOf(db, table.to);
    const columns = prepareTable(db, name, table);
    const ledger = new Ledger(db, { name, fullName: this.#fullName(table.to, name) }, batch);
    const replaced = load.replaces.map((logID) => ledger.of(logID));
    for (const one of [ledger, ...replaced]) one.checkListed();
    if (mode === 'replace') ledger.checkAllListed();
    const before = ledger.countRows().total;
    ledger.removeOwn();
    for (const one of replaced) one.makeRoom(mode);
    if (mode === 'replace') ledger.removeAll();
    if (table.claim) takeIntervals(ledger, table, table.claim, columns);
    const { loaded, rejected, newer } = await loadChunks(db, {
      ...load,
      table,
      name,
      columns,
      ledger,
      signal: this.signal,
    });
    const { total, ofBatch } = ledger.countRows();
    if (mode === 'merge' && ofBatch < loaded) {
      throw new BadInput(
        `${formatTableName(table.to)}: ${loaded - ofBatch} of the source's rows have the same ${table.key.join(', ')} as another. Name a key that tells them apart`,
      );
    }
    checkNotOlder(table, newer);
    await load.verify(table, { before, after: total, loaded, rejected, ofBatch });
  }

  /** As the ledger has it. The name of the file counts, not how it is written in the input. */
  #fullName({ schema }: TableName, name: string): string {
    return formatTableName({ schema: basename(pipelineFile(this.folder, schema), '.db'), name });
  }

  #fileOf(tables: readonly TableName[]): string {
    const files = new Set(tables.map(({ schema }) => pipelineFile(this.folder, schema)));
    if (files.size > 1) {
      throw new BadInput(
        `The tables of a transfer to ${this.label} must have one schema, because a schema is a file there and two files don't commit together. ` +
          'Make a transfer of its own for each schema',
      );
    }
    return [...files][0]!;
  }
}

function namesOf(tables: readonly IncomingTable[]): TableName[] {
  return tables.map(({ to }) => to);
}

/** The table as it is spelled in the file, if it is there. */
function nameOf(db: Database.Database, { name }: TableName): string {
  const found = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE")
    .pluck()
    .get(name) as string | undefined;
  return found ?? name;
}

function columnsOf(db: Database.Database, table: string): Column[] | undefined {
  const columns = db
    .prepare<[string], { name: string; type: string; notnull: number }>(
      'SELECT name, type, "notnull" FROM pragma_table_xinfo(?) WHERE hidden = 0',
    )
    .all(table);
  if (columns.length === 0) return undefined;
  return columns.map(({ name, type, notnull }) => ({ name, type: typeOf(type), nullable: notnull === 0 }));
}

function prepareTable(db: Database.Database, name: string, table: IncomingTable): FittedColumn[] {
  const existing = columnsOf(db, name);
  const columns = fitColumns(table, existing);
  if (existing) {
    for (const column of columns) {
      if (column.isMissing) db.exec(`ALTER TABLE ${quote(name)} ADD COLUMN ${definition(column)}`);
    }
  } else {
    const own = [`${BATCH_ID} INTEGER NOT NULL`, `${LOADED_AT} TIMESTAMPTZ NOT NULL`];
    db.exec(`CREATE TABLE ${quote(name)} (${[...columns.map(definition), ...own].join(', ')})`);
  }
  makeIndex(db, name, [BATCH_ID]);
  const keys = table.key.map((key) => fittedColumn(table, columns, key).name);
  if (keys.length > 0) makeIndex(db, name, keys);
  return columns;
}

function takeIntervals(
  ledger: Ledger,
  table: LoadingTable,
  claim: Claim,
  columns: readonly FittedColumn[],
): void {
  const change = takeOver(ledger.intervals(), table.to, claim, ledger.batch);
  if (claim.force) ledger.removeRows(claim, fittedColumn(table, columns, table.cursor!).name);
  ledger.changeIntervals(change);
}

function makeIndex(db: Database.Database, table: string, columns: readonly string[]): void {
  const name = quote(`IX_${table}_${columns.join('_')}`);
  db.exec(`CREATE INDEX IF NOT EXISTS ${name} ON ${quote(table)} (${columns.map(quote).join(', ')})`);
}

function definition({ name, type, nullable }: FittedColumn): string {
  return `${quote(name)} ${declaredType(type)}${nullable ? '' : ' NOT NULL'}`;
}
