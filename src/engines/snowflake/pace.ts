/**
 * Keeps a store from asking too often: each statement is billed by the time a warehouse works, and the statements of all
 * workers stand in one line for each table.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** At most 3 a second is what we promise; the rest is for what a burst and a transaction take in advance. */
const STATEMENTS_PER_SECOND = 2.5;
const BURST = 5;

export class Pace {
  #tokens = BURST;
  #countedAt = performance.now();
  #turn: Promise<void> = Promise.resolve();

  /** Waits for this statement's turn. */
  take(): Promise<void> {
    const turn = this.#turn.then(async () => {
      this.#refill();
      if (this.#tokens < 1) await delay(((1 - this.#tokens) / STATEMENTS_PER_SECOND) * 1000);
      this.takeInAdvance();
    });
    this.#turn = turn;
    return turn;
  }

  /** For a statement that others wait for, because its transaction holds locks: those after it wait the longer. */
  takeInAdvance(): void {
    this.#refill();
    this.#tokens -= 1;
  }

  #refill(): void {
    const now = performance.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#countedAt) / 1000) * STATEMENTS_PER_SECOND);
    this.#countedAt = now;
  }
}
