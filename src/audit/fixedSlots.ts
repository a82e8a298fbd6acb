import type { CustomSlotSupplier, SlotInfo, SlotPermit, SlotReserveContext } from '@temporalio/worker';
import { unlessAborted } from './unlessAborted.js';

interface Permit extends SlotPermit {
  readonly isSticky: boolean;
}

interface Waiting extends Permit {
  readonly give: () => void;
}

/** A fixed number of slots, first come, first served, of which only some are for tasks that are not sticky. */
export class FixedSlots<Info extends SlotInfo> implements CustomSlotSupplier<Info> {
  readonly type = 'custom';
  readonly #waiting = new Set<Waiting>();
  #free: number;
  #freeForOthers: number;

  constructor(slots: number, mostNotSticky = slots) {
    this.#free = slots;
    this.#freeForOthers = mostNotSticky;
  }

  async reserveSlot({ isSticky }: SlotReserveContext, signal: AbortSignal): Promise<SlotPermit> {
    const free = this.#take(isSticky);
    if (free) return free;
    let give!: () => void;
    const turn = new Promise<void>((resolve) => (give = resolve));
    const waiting: Waiting = { isSticky, give };
    this.#waiting.add(waiting);
    try {
      await unlessAborted(turn, signal);
      return waiting;
    } catch (error) {
      // Given in the very moment when it was no longer wanted: it goes to the next one.
      if (!this.#waiting.delete(waiting)) this.releaseSlot({ permit: waiting });
      throw error;
    }
  }

  tryReserveSlot({ isSticky }: SlotReserveContext): SlotPermit | null {
    return this.#take(isSticky) ?? null;
  }

  markSlotUsed(): void {}

  releaseSlot({ permit }: { permit: SlotPermit }): void {
    this.#free++;
    if (!(permit as Permit).isSticky) this.#freeForOthers++;
    for (const waiting of this.#waiting) {
      if (!this.#take(waiting.isSticky)) continue;
      this.#waiting.delete(waiting);
      waiting.give();
    }
  }

  #take(isSticky: boolean): Permit | undefined {
    if (this.#free === 0 || (!isSticky && this.#freeForOthers === 0)) return undefined;
    this.#free--;
    if (!isSticky) this.#freeForOthers--;
    return { isSticky };
  }
}
