/** What a purge takes for staging rows that are its own. */
import { findColumn } from './incoming.js';

/** Others may call a table BatchLoad, too: the ledger is the one with these columns. */
const LEDGER_COLUMNS = ['storeid', 'logid', 'tablename', 'rows', 'staging'];

export function isLedger(columns: readonly { readonly name: string }[]): boolean {
  return LEDGER_COLUMNS.every((name) => findColumn(columns, name));
}

export interface StagedRows {
  /** With the batch's number in the table. */
  readonly rows: number;
  /** As the ledger lists them for this batch. */
  readonly listed: number;
  /** Whether the ledger lists a batch of another audit store with the same number. */
  readonly isShared: boolean;
}

/** Who empties a table does not mend its ledger, so rows that are no more than listed may be another store's all the same. */
export function areOwn({ rows, listed, isShared }: StagedRows): boolean {
  return !isShared && rows <= listed;
}
