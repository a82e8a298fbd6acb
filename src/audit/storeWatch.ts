/**
 * Knows whether the store takes changes. One that does not is tried until it does; then what waits in the outbox is
 * shipped, and when the store knows all of it, it is up again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BadConfig } from '../domain/errors.js';
import type { AuditStore } from '../engines/contract.js';
import type { DeliveryOptions } from './delivery.js';
import type { Gate } from './gate.js';
import { tryOut } from './groupCommit.js';
import type { Mailbox } from './mailbox.js';
import { OutageLog } from './outageLog.js';
import { noAnswer, patienceWith, within } from './patience.js';
import { NoneTaken } from './shipper.js';

/** `shipping`: the store takes changes again, and what waits in the outbox has to come before what workers see now. */
type State = 'up' | 'down' | 'shipping';

/** What waits for the store. */
export interface Waiters {
  readonly count: () => number;
  /** Those who wait for a batch come before what is in the outbox. */
  readonly answerFirst: (store: AuditStore) => Promise<void>;
  /** What workers see next waits, too, instead of going to the outbox. */
  readonly holdAll: () => void;
  /** The others come after it. */
  readonly goOn: () => void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
const CLOSE_MS = 5_000;
/** A store that is down is not waited for. */
const CLOSE_WHILE_DOWN_MS = 500;
/** So long a full disk, or a right that is missing, may look like an event that the store refuses for good. */
const GIVE_UP_AFTER_MS = 300_000;

export class StoreWatch {
  readonly #log: OutageLog;
  #state: State = 'down';
  #store: AuditStore | undefined;
  #recovering: Promise<void> | undefined;
  #downSince = 0;
  #refusingSince: number | undefined;

  constructor(
    readonly options: DeliveryOptions,
    /** Closed while no new batch may begin. */
    readonly gate: Gate,
    readonly mailbox: Mailbox,
    readonly waiters: Waiters,
    readonly ending: AbortSignal,
  ) {
    this.#log = new OutageLog(options.logger);
  }

  get state(): State {
    return this.#state;
  }

  /** Undefined until it has been opened once. */
  get store(): AuditStore | undefined {
    return this.#store;
  }

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  async start(): Promise<void> {
    try {
      const store = await this.#open();
      const patience = patienceWith(store);
      if (!(await within(patience, tryOut(store)))) throw noAnswer(patience);
      this.#state = (await this.mailbox.isEmpty()) ? 'up' : 'shipping';
      this.gate.open();
      if (this.#state === 'shipping') this.#recover();
    } catch (error) {
      if (error instanceof BadConfig) {
        await this.#store?.close();
        throw error;
      }
      this.goDown(error);
      if (this.#store === undefined) await this.mailbox.report();
    }
  }

  /** The store did not take something, or did not answer. */
  goDown(error: unknown): void {
    this.#state = 'down';
    this.#downSince ||= Date.now();
    this.gate.close();
    this.complain(
      this.options.strict
        ? 'The audit store does not take changes. Batches wait until it does'
        : 'The audit store does not take changes. No new batch starts; what running ones do is kept in the outbox',
      error,
    );
    this.#recover();
  }

  complain(message: string, error: unknown, facts: object = {}): void {
    if (this.ending.aborted) return;
    this.#log.complain(message, {
      ...facts,
      waiting: this.waiters.count(),
      downForMs: this.#downForMs,
      error,
    });
  }

  /** Does not wait for a store that does not answer. */
  async close(): Promise<void> {
    const recovered = this.#recovering ?? Promise.resolve();
    // What is being shipped ends between two entries.
    const isOver = this.#state !== 'down' && (await within(CLOSE_MS, recovered));
    // A store that is being tried out, and does not answer, is closed under those who wait for it.
    const store = this.#store;
    const isClosed = Promise.all([store?.close(), recovered]).then(() =>
      store ? undefined : this.#store?.close(),
    );
    await within(isOver ? CLOSE_MS : CLOSE_WHILE_DOWN_MS, isClosed);
  }

  get #downForMs(): number {
    return this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
  }

  #recover(): void {
    this.#recovering ??= this.#tryUntilUp().finally(() => {
      this.#recovering = undefined;
      // It may have gone down again in the moment between.
      if (this.#state !== 'up' && !this.ending.aborted) this.#recover();
    });
  }

  async #tryUntilUp(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await delay(pause, undefined, { signal: this.ending });
      } catch {
        return;
      }
      if (await this.#catchUp()) return;
    }
  }

  /** Whether the store knows everything now. */
  async #catchUp(): Promise<boolean> {
    let store: AuditStore;
    try {
      store = await this.#open();
      await tryOut(store);
      await this.waiters.answerFirst(store);
    } catch (error) {
      if (!this.ending.aborted) this.goDown(error);
      return false;
    }
    this.#state = 'shipping';
    this.gate.open();
    try {
      const givesUp =
        this.#refusingSince !== undefined && Date.now() - this.#refusingSince > GIVE_UP_AFTER_MS;
      const most = await this.mailbox.ship(store, { signal: this.ending, givesUp });
      // Workers that go on would always be a little ahead.
      this.waiters.holdAll();
      const rest = await this.mailbox.ship(store, { signal: this.ending, givesUp });
      this.#refusingSince = undefined;
      return await this.#isUpToDate(most.shipped + rest.shipped, most.refused + rest.refused);
    } catch (error) {
      if (error instanceof NoneTaken) this.#refusingSince ??= Date.now();
      else this.#refusingSince = undefined;
      this.complain('The audit store does not take what waits in the outbox', error);
      return false;
    } finally {
      this.waiters.goOn();
    }
  }

  async #isUpToDate(shipped: number, refused: number): Promise<boolean> {
    // Something may have been added meanwhile, or the store gone down.
    if (!(await this.mailbox.isEmpty()) || this.#state !== 'shipping') return false;
    this.#state = 'up';
    this.#log.settle('The audit store is up to date', { shipped, refused, downForMs: this.#downForMs });
    this.#downSince = 0;
    return true;
  }

  async #open(): Promise<AuditStore> {
    if (this.#store) return this.#store;
    const store = await this.options.openStore();
    try {
      await this.mailbox.belongsTo(await store.storeID());
    } catch (error) {
      await store.close();
      throw error;
    }
    this.#store = store;
    if (await this.mailbox.report()) this.#log.expectEnd();
    return store;
  }
}
