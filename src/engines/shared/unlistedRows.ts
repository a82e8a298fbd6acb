/** What a target says of rows that its ledger does not account for. */
import { UnlistedRows } from '../../domain/errors.js';
import type { BatchStamp } from '../transferContract.js';

/** Fewer than the ledger lists is no fault: a later batch may have merged newer ones over them. */
export function checkOwnListed(
  table: string,
  { storeID, logID }: BatchStamp,
  { rows, listed }: { readonly rows: number; readonly listed: number },
): void {
  if (rows <= listed) return;
  throw new UnlistedRows(
    `${table} holds ${rows} rows with BatchID ${logID}, and its ledger BatchLoad lists ${listed} of this audit store (${storeID}). ` +
      'Another audit store counted to the same number, or somebody else wrote them: find out whose they are, and load into another table or remove them',
  );
}

/** For a replacement, every row must be one that some batch of the ledger loaded. */
export function checkNoneUnlisted(table: string, unlisted: number): void {
  if (unlisted === 0) return;
  throw new UnlistedRows(
    `${table} holds ${unlisted} rows that its ledger BatchLoad does not list, and mode replace would delete them. ` +
      'Load into another table, or remove them',
  );
}
