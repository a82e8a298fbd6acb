import { setTimeout as delay } from 'node:timers/promises';

/** So many reads in a second, so that Temporal has time for its own work. */
export class RateLimit {
  #nextTurn = 0;

  constructor(
    readonly perSecond: number,
    /** So many at once after a time without any. */
    readonly burst: number,
  ) {}

  /** Waits for a turn; not when nobody needs it any more. */
  async take(signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    const interval = 1_000 / this.perSecond;
    const turn = Math.max(this.#nextTurn, now - (this.burst - 1) * interval);
    this.#nextTurn = turn + interval;
    if (turn > now) await delay(turn - now, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}
