/** What keeps changes to the audit while its store takes none. */

/** A durable queue on the worker's own disk, for what stores do not take right now. Every call may fail: the disk may be full. */
export interface Outbox {
  /** Durable when it returns. */
  add(storeID: string, items: readonly OutboxItem[]): Promise<void>;
  /** The entries that wait longest, of those added after the one with this id, in the order in which they were added. */
  next(storeID: string, limit: number, after?: number): Promise<OutboxEntry[]>;
  remove(ids: readonly number[]): Promise<void>;
  /** The store refuses this entry for good: it stays, with the reason, and holds up nothing. */
  setAside(id: number, problem: string): Promise<void>;
  /** Lets what was set aside wait again. */
  bringBack(storeID: string): Promise<void>;
  state(): Promise<OutboxState[]>;
  /** What it holds for any store, in the order in which it was added. */
  list(limit: number): Promise<KeptEntry[]>;
  /** Whether it is this process that may take entries out, among those that share the file. */
  takeTurn(storeID: string, holder: string, forMs: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface OutboxItem {
  readonly kind: string;
  /** Plain data. */
  readonly item: unknown;
  /** Why the store refused it already: it is set aside from the first. */
  readonly problem?: string;
}

export interface OutboxEntry extends OutboxItem {
  readonly id: number;
}

/** An entry as people look at it. */
export interface KeptEntry {
  readonly storeID: string;
  readonly addedAt: string;
  readonly kind: string;
  readonly item: unknown;
  /** Why the store refused it; null while it waits. */
  readonly problem: string | null;
}

/** What waits for one store. */
export interface OutboxState {
  readonly storeID: string;
  readonly waiting: number;
  readonly refused: number;
  readonly oldest: string;
  /** Why one of them was refused. */
  readonly problem: string | null;
}
