/** How the steps of a transfer read a source. */
import { parseTableName } from '../domain/table.js';
import type { TableStep } from '../domain/transfer.js';
import type { Selection, Snapshot, TransferSource } from '../engines/transferContract.js';

export function selectionOf({ from, columns, where, cursor }: TableStep): Selection {
  return { table: parseTableName(from, 'from'), columns, where, cursor };
}

/** Reads one state of the source: a new one, or one that is held open under this id. */
export async function withSnapshot<T>(
  source: TransferSource,
  id: string | undefined,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const snapshot = await (id === undefined ? source.openSnapshot() : source.joinSnapshot(id));
  try {
    return await work(snapshot);
  } finally {
    await snapshot.close();
  }
}

export async function inOrder<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (const [index, item] of items.entries()) results.push(await work(item, index));
  return results;
}
