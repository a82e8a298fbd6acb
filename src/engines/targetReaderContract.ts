/** What `lineage` and `rows` ask of a connection. */
import type { TableName } from '../domain/table.js';

/** What batches have written to a connection, for people: it can not write. */
export interface TargetReader {
  /** The same as that of the connection as a target. */
  readonly label: string;
  /** Those that this user may read. */
  readonly tables: readonly TargetTable[];
  /** The table that the name means on this engine. */
  find(name: TableName): TargetTable | undefined;
  /** How many of the rows that meet the user's own condition each batch has written, the newest first. */
  countByBatch(table: TargetTable, where: string): Promise<RowsOfBatch[]>;
  /** How many rows have this BatchID, for each of these tables, which have the column and stand in one schema. */
  countOfBatch(tables: readonly TargetTable[], batchID: number): Promise<number[]>;
  /** What the ledger of a schema lists under these numbers, whichever audit store gave them. Nothing where it has none. */
  loads(schema: string, logIDs: readonly number[]): Promise<LedgerLoad[]>;
  close(): Promise<void>;
}

export interface TargetTable {
  /** As the engine spells it. */
  readonly name: TableName;
  /** The column BatchID as it is spelled; null where the table has none that holds numbers. */
  readonly batchColumn: string | null;
}

export interface RowsOfBatch {
  /** Null for rows without one. */
  readonly batchID: number | null;
  readonly rows: number;
}

/** What BatchLoad says of a batch and a table. */
export interface LedgerLoad {
  /** The audit store that gave the number. */
  readonly storeID: string;
  readonly logID: number;
  readonly runID: string;
  /** As `formatTableName` writes it. */
  readonly table: string;
  readonly rows: number;
}
