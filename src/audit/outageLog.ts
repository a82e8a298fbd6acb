/** What the log says about something that fails again and again: once a minute, however often it fails. */
import type { Logger } from '@temporalio/common';

const INTERVAL_MS = 60_000;

export class OutageLog {
  #lastComplaint = -Infinity;
  #isOpen = false;

  constructor(
    readonly logger: Logger,
    readonly level: 'error' | 'warn' = 'error',
  ) {}

  complain(message: string, facts: object): void {
    if (Date.now() - this.#lastComplaint < INTERVAL_MS) return;
    this.#lastComplaint = Date.now();
    this.#isOpen = true;
    this.logger[this.level](message, { ...facts });
  }

  /** Something was said that the next `settle` answers. */
  expectEnd(): void {
    this.#isOpen = true;
  }

  /** Who reads that it is down is told that it is up again; who was told nothing is not. */
  settle(message: string, facts: object): void {
    if (this.#isOpen) this.logger.info(message, facts);
    this.#isOpen = false;
  }
}
