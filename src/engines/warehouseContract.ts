/** What the `elt` pipeline asks of its target. Its staging tables are loaded as any target's are, by the transfers' contract. */
import type { TableName } from '../domain/table.js';
import type { BatchKey, PlaceOptions, TransferTarget } from './transferContract.js';

export interface WarehouseOptions extends PlaceOptions {
  /** Folder with one `<name>.sql` per transform, for engines without stored procedures. */
  readonly scripts?: string | undefined;
}

export interface Warehouse extends Pick<TransferTarget, 'label' | 'load' | 'close'> {
  /** For a table that will be loaded from a snapshot: what has to be done before one is open, on engines where that matters. */
  beforeReading?(table: TableName): Promise<void>;
  /** The LogIDs of the store's batches that the ledgers list with staging rows. */
  staged(storeID: string): Promise<number[]>;
  /**
   * Removes all staging rows of this batch, and answers how many. Where more rows have its number than the ledger lists, or
   * the ledger lists another store's batch of this number as well, they may not all be its own, and stay.
   */
  unstage(batch: BatchKey): Promise<number>;
  /**
   * Runs a transform in one transaction: a stored procedure whose parameter is the BatchID where the engine has them, the
   * script `<name>.sql` with the bound parameter `@CurrentBatchID` otherwise.
   */
  transform(name: TableName, batchID: number): Promise<void>;
  /** All rows of a table and the rows stamped with this batch; 0 and 0 when the table is not there yet. */
  count(table: TableName, batchID: number): Promise<RowCounts>;
}

export interface RowCounts {
  readonly total: number;
  readonly ofBatch: number;
}
