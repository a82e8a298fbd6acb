/** Takes what waits in the outbox to the store, in order. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditStore } from '../engines/contract.js';
import type { Outbox, OutboxEntry } from '../engines/outboxContract.js';
import type { Change } from './groupCommit.js';
import { isKind, tryOut, writeGroup } from './groupCommit.js';

const AT_ONCE = 200;
const TURN_MS = 30_000;
const PAUSE_MS = 200;

interface Shipped extends Change {
  readonly id: number;
}

export interface Shipment {
  readonly shipped: number;
  readonly refused: number;
  /** The last entry that was looked at. */
  readonly upTo: number;
  /** Why entries that were shipped are still in the outbox: its disk is full. Shipping them again is harmless. */
  readonly leftBehind?: unknown;
}

export interface ShipOptions {
  /** Ends it between two entries. */
  readonly signal?: AbortSignal | undefined;
  /** Whether an entry is set aside, too, when the store takes no other entry that could show that it takes any. */
  readonly givesUp?: boolean | undefined;
}

/** The store takes changes, but none of these entries. */
export class NoneTaken extends Error {
  override readonly name = 'NoneTaken';
}

/**
 * Ships until nothing waits for this store, here or in the hands of another process that shares the file, but for the
 * little that may be added meanwhile. Throws when the store takes nothing. What is killed halfway is shipped again, which
 * is harmless.
 */
export async function ship(
  outbox: Outbox,
  store: AuditStore,
  storeID: string,
  holder: string,
  { signal, givesUp = false }: ShipOptions = {},
): Promise<Shipment> {
  let total: Shipment = { shipped: 0, refused: 0, upTo: 0 };
  // Two at a time are harmless, too: where the disk is too full to agree, nobody waits.
  const takeTurn = (forMs: number): Promise<boolean> =>
    outbox.takeTurn(storeID, holder, forMs).catch(() => true);
  let hasTurn = false;
  try {
    while (!signal?.aborted && (await outbox.next(storeID, 1, total.upTo)).length > 0) {
      hasTurn = await takeTurn(TURN_MS);
      if (hasTurn) {
        // What another process took meanwhile is no longer there.
        const entries = await outbox.next(storeID, AT_ONCE, total.upTo);
        const { shipped, refused, ...rest } = await shipSome(outbox, store, entries, givesUp);
        total = { ...total, ...rest, shipped: total.shipped + shipped, refused: total.refused + refused };
        // Where others go on adding, there is always one more.
        if (rest.upTo !== undefined && entries.length < AT_ONCE) break;
      } else {
        await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    return total;
  } finally {
    // Who shares the file need not wait for it to run out.
    if (hasTurn) await takeTurn(0);
  }
}

async function shipSome(
  outbox: Outbox,
  store: AuditStore,
  entries: readonly OutboxEntry[],
  givesUp: boolean,
): Promise<Omit<Shipment, 'upTo'> & Partial<Pick<Shipment, 'upTo'>>> {
  const written: number[] = [];
  const changes: Shipped[] = [];
  let refused = 0;
  for (const { id, kind, item } of entries) {
    if (isKind(kind)) changes.push({ id, kind, item, resolve: () => void written.push(id) });
    else {
      refused++;
      await outbox.setAside(
        id,
        `The kind ${JSON.stringify(kind)} is unknown. Upgrade the batchtrail package`,
      );
    }
  }
  let leftBehind: unknown;
  try {
    for (const [{ id }, error] of await write(store, changes, written, givesUp)) {
      refused++;
      await outbox.setAside(id, problemOf(error));
    }
  } finally {
    await outbox.remove(written).catch((error: unknown) => (leftBehind = error));
  }
  const isDone = written.length + refused === entries.length;
  return {
    shipped: written.length,
    refused,
    // The others are looked at again when one of them was given up.
    ...(isDone && entries.length > 0 ? { upTo: entries.at(-1)!.id } : {}),
    ...(leftBehind === undefined ? {} : { leftBehind }),
  };
}

/** Answers what the store refused. When it took nothing, that is the first one, if it may be given up. */
async function write(
  store: AuditStore,
  changes: readonly Shipped[],
  written: readonly number[],
  givesUp: boolean,
): Promise<Map<Shipped, unknown>> {
  const [first] = changes;
  if (!first) return new Map();
  try {
    return await writeGroup(store, changes);
  } catch (error) {
    if (written.length > 0) throw error;
    await tryOut(store);
    if (givesUp) return new Map([[first, error]]);
    throw new NoneTaken(problemOf(error), { cause: error });
  }
}

export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
