/**
 * Takes changes to the audit store. Those that come while a transaction runs are written together by the next one, so
 * fifty activities that end at once cost one commit.
 *
 * While the store does not take changes, what workers saw goes to the outbox, and is shipped in order when the store is
 * back; a call returns when its change is durable, in one or the other. New batches wait for the store.
 */
import type { Logger } from '@temporalio/common';
import type { AuditStore } from '../engines/contract.js';
import type { Outbox } from '../engines/outboxContract.js';
import { BatchGone } from '../domain/errors.js';
import type { BatchRef } from '../domain/model.js';
import { aboutChange } from './aboutChange.js';
import type { Entry, Terms } from './entry.js';
import type { Gate } from './gate.js';
import { Gathering } from './gathering.js';
import type { Answer, Item, Kind } from './groupCommit.js';
import { tryOut, writeGroup } from './groupCommit.js';
import { Mailbox } from './mailbox.js';
import { noAnswer, patienceWith, within } from './patience.js';
import { problemOf } from './shipper.js';
import { StoreWatch } from './storeWatch.js';
import { CLOSED, doWithout, Waiting } from './waiting.js';

export { Leaving } from './waiting.js';

export interface DeliveryOptions {
  /** Opens the store, with its tables made. */
  readonly openStore: () => Promise<AuditStore>;
  readonly openOutbox: () => Promise<Outbox>;
  /** What workers see waits for the store, too, and their steps with it. */
  readonly strict: boolean;
  readonly logger: Logger;
}

export class Delivery {
  readonly #ending = new AbortController();
  readonly #mailbox: Mailbox;
  readonly #waiting: Waiting;
  readonly #watch: StoreWatch;
  readonly #queue = new Gathering<Entry>(
    (entries) => this.#take(entries),
    () => this.#watch.store?.pace.groupMs ?? 0,
  );

  constructor(
    readonly options: DeliveryOptions,
    /** Closed while no new batch may begin. */
    gate: Gate,
    /** What is known of a run that this process works on. */
    readonly batchOf: (runID: string) => BatchRef | undefined,
  ) {
    const { signal } = this.#ending;
    const { strict, logger, openOutbox } = options;
    const takeAgain = (entries: readonly Entry[]): void => this.#queue.addFirst(entries);
    this.#mailbox = new Mailbox(openOutbox, logger);
    this.#waiting = new Waiting(this.#mailbox, strict, takeAgain, signal);
    const waiters = {
      count: () => this.#waiting.count,
      answerFirst: (store: AuditStore) => this.#answerWaiting(store),
      holdAll: () => this.#waiting.holdAll(),
      goOn: () => takeAgain(this.#waiting.release()),
    };
    this.#watch = new StoreWatch(options, gate, this.#mailbox, waiters, signal);
  }

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  async start(): Promise<void> {
    await this.#mailbox.open();
    await this.#watch.start().catch(async (error: unknown) => {
      await this.#mailbox.close();
      throw error;
    });
  }

  /** The store, while it takes changes and knows all that this worker has seen. */
  get store(): AuditStore | undefined {
    return this.#watch.state === 'up' ? this.#watch.store : undefined;
  }

  /** Undefined until the store has been opened once. */
  get storeID(): string | undefined {
    return this.#mailbox.storeID;
  }

  /** What waits in the outbox for this store. */
  waiting(): Promise<{ waiting: number; oldest: string | undefined }> {
    return this.#mailbox.waiting();
  }

  /** A worker begins to take work. */
  arrive(from: string): void {
    this.#waiting.arrive(from);
  }

  isLeaving(from: string | undefined): boolean {
    return this.#waiting.isLeaving(from);
  }

  /** This worker shuts down: what it waits for is given up, now and from now on, while the store does not answer. */
  leave(from: string): void {
    this.#waiting.leave(from, this.#watch.state === 'down');
  }

  /** Writes what is queued, or puts it into the outbox, and closes both. Does not wait for a store that does not answer. */
  async shutdown(): Promise<void> {
    this.#ending.abort();
    await this.#queue.drain();
    await this.#waiting.close();
    await this.#watch.close();
    await this.#mailbox.close();
  }

  write<K extends Kind>(kind: K, item: Item<K>, terms: Terms): Promise<Answer<K>> {
    if (this.#ending.signal.aborted) return Promise.reject(new Error(CLOSED));
    let entry: Entry;
    const answer = new Promise<Answer<K>>((resolve, reject) => {
      entry = { kind, item, ...terms, resolve: resolve as Entry['resolve'], reject };
      if (terms.isPatient) this.#queue.addPatiently(entry);
      else this.#queue.add(entry);
    });
    return terms.fate === 'wait' ? this.#waiting.untilAnswered(entry!, answer) : answer;
  }

  async #take(entries: readonly Entry[]): Promise<void> {
    if (this.#watch.state === 'up') return this.#commit(entries);
    const rest = entries.filter(({ fate }) => fate !== 'keep');
    await this.#waiting.keep(entries.filter(({ fate }) => fate === 'keep'));
    if (this.#watch.state === 'shipping') await this.#commit(rest);
    else this.#waiting.hold(rest);
  }

  /** Returns when the store has answered, or has taken too long. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const store = this.#watch.store!;
    const open = new Set(entries);
    let isLate = false;
    const writing = writeGroup(store, countedIn(open)).then(
      async (refused) => {
        for (const [entry, error] of refused) await this.#setAside(entry, error);
      },
      async (error: unknown) => {
        // What is late has been dealt with, except for those who wait; and the store may be up again meanwhile.
        const left = [...open].filter(({ fate }) => !isLate || fate === 'wait');
        if (isLate || (await this.#isRefusal(store, left))) return this.#retake(left, error);
        this.#watch.goDown(error);
        await this.#take(left);
      },
    );
    const patience = patienceWith(store);
    if (await within(patience, writing)) return;
    isLate = true;
    this.#watch.goDown(noAnswer(patience));
    for (const entry of open) if (entry.fate === 'try') doWithout(entry);
    await this.#waiting.keep([...open].filter(({ fate }) => fate === 'keep'));
  }

  /** Whether there are changes that their callers can do without, and the store takes others. */
  async #isRefusal(store: AuditStore, entries: readonly Entry[]): Promise<boolean> {
    if (!entries.some(({ fate }) => fate === 'try')) return false;
    return tryOut(store).then(
      () => true,
      () => false,
    );
  }

  /** Without those that may be to blame. */
  async #retake(entries: readonly Entry[], error: unknown): Promise<void> {
    for (const entry of entries) if (entry.fate === 'try') entry.reject(error);
    const others = entries.filter(({ fate }) => fate !== 'try');
    if (others.length > 0) await this.#take(others);
  }

  /** The store takes other changes, and not this one. */
  async #setAside(entry: Entry, error: unknown): Promise<void> {
    if (entry.fate === 'try' || (entry.fate === 'wait' && error instanceof BatchGone)) {
      entry.reject(error);
      return;
    }
    const about = aboutChange(entry, this.batchOf);
    const isKept =
      entry.fate === 'keep' && (await this.#waiting.addToOutbox([{ ...entry, problem: problemOf(error) }]));
    if (isKept) {
      this.options.logger.error('The audit store refused a change', { ...about, error });
      return;
    }
    this.#watch.complain('The audit store refused a change; it is tried again', error, about);
    void this.#waiting.tryLater(entry);
  }

  /** Those who wait for a batch come before what is in the outbox. */
  async #answerWaiting(store: AuditStore): Promise<void> {
    const open = new Set(this.#waiting.releaseAwaited());
    if (open.size === 0) return;
    try {
      for (const [entry, error] of await writeGroup(store, countedIn(open)))
        await this.#setAside(entry, error);
    } catch (error) {
      // The store itself may be well, and take none of these.
      await tryOut(store).catch((reason: unknown) => {
        this.#waiting.hold([...open]);
        throw reason;
      });
      this.#watch.complain('The audit store takes no new batches', error);
      for (const entry of open) void this.#waiting.tryLater(entry);
    }
  }
}

/** The entries, each of which leaves the set when it is answered. */
function countedIn(open: Set<Entry>): Entry[] {
  return [...open].map((entry) => ({
    ...entry,
    resolve: (answer) => {
      open.delete(entry);
      entry.resolve(answer);
    },
  }));
}
