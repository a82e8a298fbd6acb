/** A folder of SQLite files as a source and target of pipelines. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type Database from 'better-sqlite3';
import { NotFound } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { BatchKey, TableStream, Warehouse, WarehouseOptions } from '../warehouseContract.js';
import { folderOf, openForReading, patiently, schemaFile, schemaFiles } from './connect.js';
import { countRows, NO_ROWS } from './countRows.js';
import { readTable } from './readTable.js';
import { stage } from './stage.js';
import { stagedIn, unstageFrom } from './staged.js';
import { isReserved } from './tables.js';
import { runTransform } from './transform.js';

export async function openWarehouse({ url, scripts }: WarehouseOptions): Promise<Warehouse> {
  return new SqliteWarehouse(folderOf(url), scripts);
}

class SqliteWarehouse implements Warehouse {
  readonly label: string;
  /** A stream reads from its connection until the warehouse is closed. */
  readonly #readers: Database.Database[] = [];

  constructor(
    readonly folder: string,
    readonly scripts: string | undefined,
  ) {
    this.label = `sqlite:${basename(folder)}`;
  }

  async read(table: TableName, signal: AbortSignal): Promise<TableStream> {
    const file = schemaFile(this.folder, table.schema);
    if (!existsSync(file)) {
      const known = [...schemaFiles(this.folder).keys()].join(', ');
      throw new NotFound(
        `There is no table ${formatTableName(table)} in ${this.label}: it has no file ${basename(file)}. ` +
          `Schemas there: ${known || 'none'}`,
      );
    }
    const db = await openForReading(file);
    this.#readers.push(db);
    return patiently(() => readTable(db, this.label, table, signal));
  }

  stage(
    table: TableName,
    batch: BatchKey,
    rows: TableStream,
    onProgress: (rows: number) => void,
  ): Promise<number> {
    return stage(this, table, batch, rows, onProgress);
  }

  async staged(storeID: string): Promise<number[]> {
    const found = new Set<number>();
    for (const file of this.#files()) for (const logID of await stagedIn(file, storeID)) found.add(logID);
    return [...found];
  }

  async unstage(batch: BatchKey): Promise<number> {
    let rows = 0;
    for (const file of this.#files()) {
      if ((await stagedIn(file, batch.storeID)).includes(batch.logID)) rows += await unstageFrom(file, batch);
    }
    return rows;
  }

  /** Those that pipelines may write to. */
  #files(): string[] {
    return [...schemaFiles(this.folder)].filter(([schema]) => !isReserved(schema)).map(([, file]) => file);
  }

  transform(name: TableName, batchID: number): Promise<void> {
    return runTransform(this, name, batchID);
  }

  async count(table: TableName, batchID: number): Promise<{ total: number; ofBatch: number }> {
    const file = schemaFile(this.folder, table.schema);
    if (!existsSync(file)) return NO_ROWS;
    const db = await openForReading(file);
    try {
      return await patiently(() => countRows(db, table, batchID));
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    for (const db of this.#readers) db.close();
  }
}
