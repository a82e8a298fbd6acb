import { setTimeout as delay } from 'node:timers/promises';

/** Histories that are read at the same time, and in a second, where nobody waits for them. */
export const HISTORIES_AT_ONCE = 4;
const HISTORIES_PER_SECOND = 40;

export function steadyRate(): RateLimit {
  return new RateLimit(HISTORIES_PER_SECOND, HISTORIES_AT_ONCE);
}

/** So many reads in a second, so that Temporal has time for its own work. */
export class RateLimit {
  #nextTurn = -Infinity;

  constructor(
    readonly perSecond: number,
    /** So many at once after a time without any. */
    readonly burst: number,
  ) {}

  /** Waits for a turn; not when nobody needs it any more. `cost` is the part of a read that it takes of Temporal's time. */
  async take(signal?: AbortSignal, cost = 1): Promise<void> {
    const now = performance.now();
    const interval = 1_000 / this.perSecond;
    const turn = Math.max(this.#nextTurn, now - (this.burst - 1) * interval);
    this.#nextTurn = turn + cost * interval;
    if (turn > now) await delay(turn - now, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}
