/** A folder of SQLite files as the target of `elt`. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { TableName } from '../../domain/table.js';
import { NO_ROWS } from '../shared/rowCounts.js';
import type { BatchKey, Load, TransferTarget } from '../transferContract.js';
import type { RowCounts, Warehouse, WarehouseOptions } from '../warehouseContract.js';
import { folderOf, openForReading, patiently, schemaFile, schemaFiles } from './connect.js';
import { countRows } from './countRows.js';
import { stagedIn, unstageFrom } from './staged.js';
import { isReserved, pipelineFile } from './tables.js';
import { openForLoad } from './transfer/openForLoad.js';
import { openTarget } from './transfer/target.js';
import { runTransform } from './transform.js';

export async function openWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  return new SqliteWarehouse(folderOf(options.url), await openTarget(options), options);
}

class SqliteWarehouse implements Warehouse {
  readonly label: string;

  constructor(
    readonly folder: string,
    readonly target: TransferTarget,
    readonly options: WarehouseOptions,
  ) {
    this.label = `sqlite:${basename(folder)}`;
  }

  /** A file that other programs made may have no log yet, and gets none while its snapshot is open. */
  async beforeReading({ schema }: TableName): Promise<void> {
    const { label, options } = this;
    const file = pipelineFile(this.folder, schema);
    if (existsSync(file)) (await openForLoad({ file, label, signal: options.signal })).close();
  }

  load(load: Load): Promise<void> {
    return this.target.load(load);
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
    const { folder, label } = this;
    const { scripts, signal } = this.options;
    return runTransform({ folder, label, scripts, signal }, name, batchID);
  }

  async count(table: TableName, batchID: number): Promise<RowCounts> {
    const file = schemaFile(this.folder, table.schema);
    if (!existsSync(file)) return NO_ROWS;
    const db = await openForReading(file);
    try {
      return await patiently(() => countRows(db, table, batchID));
    } finally {
      db.close();
    }
  }

  close(): Promise<void> {
    return this.target.close();
  }
}
