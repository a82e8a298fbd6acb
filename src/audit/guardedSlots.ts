import type {
  CustomSlotSupplier,
  SlotInfo,
  SlotMarkUsedContext,
  SlotPermit,
  SlotReleaseContext,
  SlotReserveContext,
} from '@temporalio/worker';
import { unlessAborted } from './unlessAborted.js';

export interface Guard {
  mayPass(context: SlotReserveContext): boolean;
  /** Resolves when the answer may have become another one. */
  opened(): Promise<void>;
}

/** Slots that are given only to those whom the guard lets pass. */
export class GuardedSlots<Info extends SlotInfo> implements CustomSlotSupplier<Info> {
  readonly type = 'custom';

  constructor(
    readonly inner: CustomSlotSupplier<Info>,
    readonly guard: Guard,
  ) {}

  async reserveSlot(context: SlotReserveContext, signal: AbortSignal): Promise<SlotPermit> {
    for (;;) {
      while (!this.guard.mayPass(context)) await unlessAborted(this.guard.opened(), signal);
      const permit = await this.inner.reserveSlot(context, signal);
      if (this.guard.mayPass(context)) return permit;
      // The gate was closed while this one waited for its turn.
      this.inner.releaseSlot({ permit });
    }
  }

  tryReserveSlot(context: SlotReserveContext): SlotPermit | null {
    return this.guard.mayPass(context) ? this.inner.tryReserveSlot(context) : null;
  }

  markSlotUsed(context: SlotMarkUsedContext<Info>): void {
    this.inner.markSlotUsed(context);
  }

  releaseSlot(context: SlotReleaseContext<Info>): void {
    this.inner.releaseSlot(context);
  }
}
