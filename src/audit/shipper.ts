/** Takes what waits in the outbox to the store, in order. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditStore, Outbox, OutboxEntry } from '../engines/contract.js';
import type { Change } from './groupCommit.js';
import { isKind, writeGroup } from './groupCommit.js';

const AT_ONCE = 200;
const TURN_MS = 30_000;
const PAUSE_MS = 200;

interface Shipped extends Change {
  readonly id: number;
}

export interface Shipment {
  readonly shipped: number;
  readonly refused: number;
}

/**
 * Ships until nothing waits for this store, here or in the hands of another process that shares the file. Throws when the
 * store takes nothing. What is killed halfway is shipped again, which is harmless.
 */
export async function ship(
  outbox: Outbox,
  store: AuditStore,
  storeID: string,
  holder: string,
): Promise<Shipment> {
  const total = { shipped: 0, refused: 0 };
  for (;;) {
    const entries = await outbox.next(storeID, AT_ONCE);
    if (entries.length === 0) return total;
    if (await outbox.takeTurn(storeID, holder, TURN_MS)) {
      // What another process took meanwhile is no longer there.
      const { shipped, refused } = await shipSome(outbox, store, await outbox.next(storeID, AT_ONCE));
      total.shipped += shipped;
      total.refused += refused;
    } else {
      await delay(PAUSE_MS);
    }
  }
}

async function shipSome(
  outbox: Outbox,
  store: AuditStore,
  entries: readonly OutboxEntry[],
): Promise<Shipment> {
  const written: number[] = [];
  const changes: Shipped[] = [];
  for (const { id, kind, item } of entries) {
    if (isKind(kind)) changes.push({ id, kind, item, resolve: () => void written.push(id) });
    else
      await outbox.setAside(
        id,
        `The kind ${JSON.stringify(kind)} is unknown. Upgrade the batchtrail package`,
      );
  }
  let refused = new Map<Shipped, unknown>();
  try {
    if (changes.length > 0) refused = await writeGroup(store, changes);
  } finally {
    await outbox.remove(written);
  }
  for (const [{ id }, error] of refused) await outbox.setAside(id, problemOf(error));
  return { shipped: written.length, refused: entries.length - written.length };
}

export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
