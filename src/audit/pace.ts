/** Keeps requests apart, so that Temporal has time for its own work. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** Histories that are read at the same time, and in a second. */
export const HISTORIES_AT_ONCE = 4;
const HISTORIES_PER_SECOND = 40;

export class Pace {
  #next = 0;

  constructor(readonly perSecond = HISTORIES_PER_SECOND) {}

  /** Waits for the next turn; `cost` is the part of a history's reading that this turn takes of Temporal's time. */
  async turn(cost = 1): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.#next);
    this.#next = at + (cost * 1_000) / this.perSecond;
    if (at > now) await delay(at - now);
  }
}
