/** What becomes of a ledger's intervals when a batch brings its own. */
import { Overtaken } from '../../domain/errors.js';
import { meets, without } from '../../domain/interval.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { BatchStamp, Claim, IncomingTable, LedgerInterval } from '../transferContract.js';

export interface Takeover {
  readonly removed: readonly LedgerInterval[];
  readonly added: readonly LedgerInterval[];
}

/** `entries` are the table's, without those of an earlier attempt of this batch. */
export function takeOver(
  entries: readonly LedgerInterval[],
  to: TableName,
  { source, kind, intervals, force }: Claim,
  { storeID, logID }: BatchStamp,
): Takeover {
  const removed = entries.filter(
    (entry) => entry.source === source && intervals.some((one) => meets(one, entry, kind)),
  );
  const [first] = removed;
  if (first && !force) {
    throw new Overtaken(
      `${formatTableName(to)}: ${first.from} to ${first.to} was moved by batch ${first.logID} meanwhile`,
    );
  }
  const rests = removed.flatMap((entry) =>
    without([entry], intervals, kind).map((rest) => ({ ...entry, ...rest })),
  );
  return { removed, added: [...rests, ...intervals.map((one) => ({ ...one, source, storeID, logID }))] };
}

/** A row that is merged over a newer one would bring back what was changed since. */
export function checkNotOlder({ to, cursor }: IncomingTable, rows: number): void {
  if (rows === 0) return;
  throw new Overtaken(
    `${formatTableName(to)} holds ${rows} rows that are newer by ${cursor} than those that were read. ` +
      'When no other transfer loads them, the source has gone back in time: bring the table up to date with historicalTransfer',
  );
}
