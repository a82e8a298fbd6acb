/**
 * The changes that the store has not taken: what workers saw goes to the outbox, what it has no room for is held, and so
 * is who waits for a batch. A worker that shuts down waits for nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { OutboxItem } from '../engines/outboxContract.js';
import type { Entry } from './entry.js';
import type { Mailbox } from './mailbox.js';

const NOT_NOW = 'The audit store does not take changes now';
export const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';
const LATER_MS = 5_000;

export class Waiting {
  readonly #leaving = new Set<string>();
  /** Those who wait for a batch, wherever their changes are. */
  readonly #awaited = new Set<Entry>();
  /** Those that the store did not take while it took others. */
  readonly #refused = new Set<Entry>();
  #held: Entry[] = [];
  #isHoldingAll = false;

  constructor(
    readonly mailbox: Mailbox,
    /** What workers see waits for the store, too. */
    readonly strict: boolean,
    /** Gives them to the store once more, before all others. */
    readonly takeAgain: (entries: readonly Entry[]) => void,
    readonly ending: AbortSignal,
  ) {}

  get count(): number {
    return this.#held.length;
  }

  /** From now on, until all is released, nothing more goes to the outbox. */
  holdAll(): void {
    this.#isHoldingAll = true;
  }

  /** All that is held; it is held no longer. */
  release(): Entry[] {
    this.#isHoldingAll = false;
    return this.#held.splice(0);
  }

  /** Those that wait for a batch. */
  releaseAwaited(): Entry[] {
    const released = this.#held.filter(({ fate }) => fate === 'wait');
    this.#held = this.#held.filter(({ fate }) => fate !== 'wait');
    return released;
  }

  /** Its worker may leave before there is an answer. */
  untilAnswered<T>(entry: Entry, answer: Promise<T>): Promise<T> {
    this.#awaited.add(entry);
    return answer.finally(() => this.#awaited.delete(entry));
  }

  /** What workers saw is durable in the outbox when this returns; if that is full, too, its callers wait for the store. */
  async keep(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    // None overtakes those that already wait.
    const mustWait = this.strict || this.#isHoldingAll || this.#held.some(({ fate }) => fate === 'keep');
    if (mustWait || !(await this.addToOutbox(entries))) this.hold(entries);
  }

  async addToOutbox(entries: ReadonlyArray<Entry & OutboxItem>): Promise<boolean> {
    if (!(await this.mailbox.add(entries))) return false;
    for (const entry of entries) entry.resolve(undefined);
    return true;
  }

  hold(entries: readonly Entry[]): void {
    const left: Entry[] = [];
    for (const entry of entries) {
      if (entry.fate === 'try') doWithout(entry);
      else if (this.isLeaving(entry.from)) left.push(entry);
      // What workers saw is still given to the outbox when this is closed.
      else if (this.ending.aborted && entry.fate === 'wait') entry.reject(new Error(CLOSED));
      else this.#held.push(entry);
    }
    if (left.length > 0) void this.#giveUp(left, new Leaving());
  }

  /** Others need not wait for it. */
  async tryLater(entry: Entry): Promise<void> {
    this.#refused.add(entry);
    await delay(LATER_MS, undefined, { signal: this.ending }).catch(() => undefined);
    if (!this.#refused.delete(entry)) return;
    if (this.ending.aborted) await this.#giveUp([entry], new Error(CLOSED));
    else this.takeAgain([entry]);
  }

  arrive(from: string): void {
    this.#leaving.delete(from);
  }

  isLeaving(from: string | undefined): boolean {
    return from !== undefined && this.#leaving.has(from);
  }

  /** What this worker waits for is given up, now and from now on. */
  leave(from: string, isDown: boolean): void {
    this.#leaving.add(from);
    const isLeft = (entry: Entry): boolean => entry.from === from;
    const left = [...this.#held, ...this.#refused].filter(isLeft);
    this.#held = this.#held.filter((entry) => !isLeft(entry));
    for (const entry of left) this.#refused.delete(entry);
    this.hold(left);
    if (!isDown) return;
    // Those who wait for a batch are not all held: the store may have their questions, and not answer.
    for (const entry of this.#awaited) {
      if (isLeft(entry)) entry.reject(new Leaving());
    }
  }

  async close(): Promise<void> {
    await this.#giveUp(this.release(), new Error(CLOSED));
  }

  /** There is nobody left to wait: the outbox is the last place, also where the steps were to wait for the store. */
  async #giveUp(entries: readonly Entry[], error: Error): Promise<void> {
    const events = entries.filter(({ fate }) => fate === 'keep');
    const isKept = events.length > 0 && (await this.addToOutbox(events));
    for (const entry of entries) if (!isKept || entry.fate !== 'keep') entry.reject(error);
  }
}

/** Its caller comes back to it. */
export function doWithout(entry: Entry): void {
  entry.reject(new Error(NOT_NOW));
}

/** A worker that shuts down does not wait for the store. */
export class Leaving extends Error {
  override readonly name = 'Leaving';

  constructor() {
    super('The worker shuts down while the audit store takes no changes');
  }
}
