/** What the `elt` pipeline asks of a connection. */
import type { SqlValue, TableName } from '../domain/table.js';

export interface WarehouseOptions {
  readonly url: string;
  /** Folder with one `<name>.sql` per transform, for engines without stored procedures. */
  readonly scripts?: string | undefined;
}

/** A named connection of the worker's configuration: what the ready-made pipelines read from and write to. */
export interface Warehouse {
  /** What to call this system in the audit: scheme and place, never a password. */
  readonly label: string;
  /** Streams a table in chunks. Throws `NotFound` when it is not there. */
  read(table: TableName, signal: AbortSignal): Promise<TableStream>;
  /**
   * Replaces this batch's rows of a staging table by the stream's, in one transaction, creating the table when it is
   * missing. The table gets the source's columns and `BatchID`.
   */
  stage(
    table: TableName,
    batch: BatchKey,
    rows: TableStream,
    onProgress: (rows: number) => void,
  ): Promise<number>;
  /** The LogIDs of the store's batches whose staging rows may still be there. */
  staged(storeID: string): Promise<number[]>;
  /** Removes all staging rows of this batch, and answers how many. */
  unstage(batch: BatchKey): Promise<number>;
  /**
   * Runs a transform in one transaction: a stored procedure with `@CurrentBatchID` where the engine has them, the
   * script `<name>.sql` with the same bound parameter otherwise.
   */
  transform(name: TableName, batchID: number): Promise<void>;
  /** All rows of a table and the rows stamped with this batch; 0 and 0 when the table is not there yet. */
  count(table: TableName, batchID: number): Promise<{ total: number; ofBatch: number }>;
  close(): Promise<void>;
}

/** Tells a batch from those of other audit stores, which count theirs from 1, too. */
export interface BatchKey {
  readonly storeID: string;
  readonly logID: number;
}

export interface TableStream {
  readonly columns: ReadonlyArray<{ readonly name: string; readonly type: string }>;
  readonly chunks: AsyncIterable<ReadonlyArray<readonly SqlValue[]>>;
}
