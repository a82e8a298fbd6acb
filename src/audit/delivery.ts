/**
 * Takes changes to the audit store. Those that come while a transaction runs are written together by the next one, so
 * fifty activities that end at once cost one commit.
 *
 * While the store does not take changes, what workers saw goes to the outbox, and is shipped in order when the store is
 * back; a call returns when its change is durable, in one or the other. New batches wait for the store.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { AuditStore, Outbox, OutboxItem } from '../engines/contract.js';
import { BadConfig, BatchGone } from '../domain/errors.js';
import { aboutChange } from './aboutChange.js';
import { Gate } from './gate.js';
import { Gathering } from './gathering.js';
import type { Answer, Change, Item, Kind } from './groupCommit.js';
import { tryOut, writeGroup } from './groupCommit.js';
import { Mailbox } from './mailbox.js';
import { OutageLog } from './outageLog.js';
import { NoneTaken, problemOf } from './shipper.js';
import type { Shipment } from './shipper.js';

export interface DeliveryOptions {
  /** Opens the store, with its tables made. */
  readonly openStore: () => Promise<AuditStore>;
  readonly openOutbox: () => Promise<Outbox>;
  /** What workers see waits for the store, too, and their steps with it. */
  readonly strict: boolean;
  readonly logger: Logger;
}

/**
 * What becomes of a change while the store does not take it. `keep`: it goes to the outbox. `wait`: its caller waits.
 * `try`: its caller does without, and comes back to it.
 */
export type Fate = 'keep' | 'wait' | 'try';

export interface Terms {
  readonly fate: Fate;
  /** The worker that waits for it. */
  readonly from?: string | undefined;
  /** It may wait a little for something that it can be written with. */
  readonly isPatient?: boolean;
}

interface Entry extends Change, Terms {
  readonly reject: (error: unknown) => void;
}

/** `shipping`: the store takes changes again, and what waits in the outbox has to come before what workers see now. */
type State = 'up' | 'down' | 'shipping';

const NOT_NOW = 'The audit store does not take changes now';
const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
/** A store that takes longer for one commit is treated like one that does not answer; and how much of its own pace. */
const PATIENCE_MS = 5_000;
const PATIENCE_IN_GROUPS = 15;
const CLOSE_MS = 5_000;
/** A store that is down is not waited for. */
const CLOSE_WHILE_DOWN_MS = 500;
/** So long a full disk, or a right that is missing, may look like an event that the store refuses for good. */
const GIVE_UP_AFTER_MS = 300_000;

export class Delivery {
  readonly #leaving = new Set<string>();
  readonly #ending = new AbortController();
  readonly #log: OutageLog;
  /** Those who wait for a batch, wherever they are. */
  readonly #awaited = new Set<Entry>();
  /** Those that the store did not take while it took others. */
  readonly #refused = new Set<Entry>();
  #state: State = 'down';
  #store: AuditStore | undefined;
  #mailbox: Mailbox | undefined;
  readonly #queue = new Gathering<Entry>(
    (entries) => this.#take(entries),
    () => this.#store?.pace.groupMs ?? 0,
  );
  #held: Entry[] = [];
  #recovering: Promise<void> | undefined;
  #downSince = 0;
  #refusingSince: number | undefined;

  constructor(
    readonly options: DeliveryOptions,
    /** Closed while no new batch may begin. */
    readonly gate: Gate,
  ) {
    this.#log = new OutageLog(options.logger);
  }

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  async start(): Promise<void> {
    this.#mailbox = new Mailbox(await this.options.openOutbox(), this.options.logger);
    try {
      const store = await this.#open();
      if (!(await within(PATIENCE_MS, tryOut(store)))) throw noAnswer(PATIENCE_MS);
      this.#state = (await this.#mailbox.isEmpty()) ? 'up' : 'shipping';
      this.gate.open();
      if (this.#state === 'shipping') this.#recover();
    } catch (error) {
      if (error instanceof BadConfig) {
        await this.#store?.close();
        await this.#mailbox.close();
        throw error;
      }
      this.#goDown(error);
      if (this.#store === undefined) await this.#mailbox.report();
    }
  }

  /** The store, while it takes changes and knows all that this worker has seen. */
  get store(): AuditStore | undefined {
    return this.#state === 'up' ? this.#store : undefined;
  }

  /** Undefined until the store has been opened once. */
  get storeID(): string | undefined {
    return this.#mailbox?.storeID;
  }

  /** A worker begins to take work. */
  arrive(from: string): void {
    this.#leaving.delete(from);
  }

  /** What waits in the outbox for this store. */
  async waiting(): Promise<{ waiting: number; oldest: string | undefined }> {
    return (await this.#mailbox?.waiting()) ?? { waiting: 0, oldest: undefined };
  }

  /** This worker shuts down: what it waits for is given up, now and from now on, while the store does not answer. */
  leave(from: string): void {
    this.#leaving.add(from);
    const isLeft = (entry: Entry): boolean => entry.from === from;
    const left = [...this.#held, ...this.#refused].filter(isLeft);
    this.#held = this.#held.filter((entry) => !isLeft(entry));
    for (const entry of left) this.#refused.delete(entry);
    this.#hold(left);
    if (this.#state !== 'down') return;
    // Those who wait for a batch are not all held: the store may have their questions, and not answer.
    for (const entry of this.#awaited) {
      if (isLeft(entry)) entry.reject(new Leaving());
    }
  }

  /** Writes what is queued, or puts it into the outbox, and closes both. Does not wait for a store that does not answer. */
  async shutdown(): Promise<void> {
    this.#ending.abort();
    await this.#queue.drain();
    await this.#giveUp(this.#held.splice(0), new Error(CLOSED));
    await within(
      this.#state === 'down' ? CLOSE_WHILE_DOWN_MS : CLOSE_MS,
      (this.#recovering ?? Promise.resolve()).then(() => this.#store?.close()),
    );
    await this.#mailbox?.close();
  }

  write<K extends Kind>(kind: K, item: Item<K>, terms: Terms): Promise<Answer<K>> {
    if (this.#ending.signal.aborted) return Promise.reject(new Error(CLOSED));
    let entry: Entry;
    const answer = new Promise<Answer<K>>((resolve, reject) => {
      entry = { kind, item, ...terms, resolve: resolve as Entry['resolve'], reject };
      if (terms.isPatient) this.#queue.addPatiently(entry);
      else this.#queue.add(entry);
    });
    if (terms.fate !== 'wait') return answer;
    this.#awaited.add(entry!);
    return answer.finally(() => this.#awaited.delete(entry));
  }

  async #take(entries: readonly Entry[]): Promise<void> {
    if (this.#state === 'up') return this.#commit(entries);
    const rest = entries.filter(({ fate }) => fate !== 'keep');
    await this.#keep(entries.filter(({ fate }) => fate === 'keep'));
    if (this.#state === 'shipping') await this.#commit(rest);
    else this.#hold(rest);
  }

  /** Returns when the store has answered, or has taken too long. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const store = this.#store!;
    const open = new Set(entries);
    const counted = entries.map((entry): Entry => {
      const resolve = (answer: unknown): void => {
        open.delete(entry);
        entry.resolve(answer);
      };
      return { ...entry, resolve };
    });
    let isLate = false;
    const writing = writeGroup(store, counted).then(
      async (refused) => {
        for (const [entry, error] of refused) await this.#setAside(entry, error);
      },
      async (error: unknown) => {
        // What is late has been dealt with, except for those who wait; and the store may be up again meanwhile.
        const left = [...open].filter(({ fate }) => !isLate || fate === 'wait');
        if (isLate || (await this.#isRefusal(store, left))) return this.#retake(left, error);
        this.#goDown(error);
        await this.#take(left);
      },
    );
    const patience = Math.max(PATIENCE_MS, store.pace.groupMs * PATIENCE_IN_GROUPS);
    if (await within(patience, writing)) return;
    isLate = true;
    this.#goDown(noAnswer(patience));
    for (const entry of open) if (entry.fate === 'try') entry.reject(new Error(NOT_NOW));
    await this.#keep([...open].filter(({ fate }) => fate === 'keep'));
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

  /** What workers saw is durable in the outbox when this returns; if that is full, too, its callers wait for the store. */
  async #keep(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    // None overtakes those that already wait.
    const mustWait = this.options.strict || this.#held.some(({ fate }) => fate === 'keep');
    if (mustWait || !(await this.#addToOutbox(entries))) this.#hold(entries);
  }

  async #addToOutbox(entries: ReadonlyArray<Entry & OutboxItem>): Promise<boolean> {
    if (!(await this.#mailbox?.add(entries))) return false;
    for (const entry of entries) entry.resolve(undefined);
    return true;
  }

  #hold(entries: readonly Entry[]): void {
    const left: Entry[] = [];
    for (const entry of entries) {
      if (entry.fate === 'try') entry.reject(new Error(NOT_NOW));
      else if (!this.isLeaving(entry.from)) this.#held.push(entry);
      else if (entry.fate === 'wait') entry.reject(new Leaving());
      else left.push(entry);
    }
    if (left.length > 0) void this.#giveUp(left, new Leaving());
  }

  isLeaving(from: string | undefined): boolean {
    return from !== undefined && this.#leaving.has(from);
  }

  /** There is nobody left to wait: the outbox is the last place, also where the steps were to wait for the store. */
  async #giveUp(entries: readonly Entry[], error: Error): Promise<void> {
    const events = entries.filter(({ fate }) => fate === 'keep');
    const isKept = events.length > 0 && (await this.#addToOutbox(events));
    for (const entry of entries) if (!isKept || entry.fate !== 'keep') entry.reject(error);
  }

  /** The store takes other changes, and not this one. */
  async #setAside(entry: Entry, error: unknown): Promise<void> {
    if (entry.fate === 'try' || (entry.fate === 'wait' && error instanceof BatchGone)) {
      entry.reject(error);
      return;
    }
    if (entry.fate === 'keep' && (await this.#addToOutbox([{ ...entry, problem: problemOf(error) }]))) {
      this.options.logger.error('The audit store refused a change', { ...aboutChange(entry), error });
      return;
    }
    this.#complain('The audit store refused a change; it is tried again', error, aboutChange(entry));
    void this.#takeLater(entry);
  }

  /** Others need not wait for it. */
  async #takeLater(entry: Entry): Promise<void> {
    this.#refused.add(entry);
    await delay(LONGEST_PAUSE_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    if (!this.#refused.delete(entry)) return;
    if (this.#ending.signal.aborted) await this.#giveUp([entry], new Error(CLOSED));
    else this.#queue.addFirst([entry]);
  }

  #goDown(error: unknown): void {
    this.#state = 'down';
    this.#downSince ||= Date.now();
    this.gate.close();
    this.#complain(
      this.options.strict
        ? 'The audit store does not take changes. Batches wait until it does'
        : 'The audit store does not take changes. No new batch starts; what running ones do is kept in the outbox',
      error,
    );
    this.#recover();
  }

  #complain(message: string, error: unknown, facts: object = {}): void {
    if (this.#ending.signal.aborted) return;
    const downForMs = this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
    this.#log.complain(message, { ...facts, waiting: this.#held.length, downForMs, error });
  }

  #recover(): void {
    this.#recovering ??= this.#tryUntilUp().finally(() => {
      this.#recovering = undefined;
      // It may have gone down again in the moment between.
      if (this.#state !== 'up' && !this.#ending.signal.aborted) this.#recover();
    });
  }

  async #tryUntilUp(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await delay(pause, undefined, { signal: this.#ending.signal });
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
      await this.#answerWaiting(store);
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#goDown(error);
      return false;
    }
    this.#state = 'shipping';
    this.gate.open();
    try {
      const givesUp =
        this.#refusingSince !== undefined && Date.now() - this.#refusingSince > GIVE_UP_AFTER_MS;
      const shipment = await this.#mailbox!.ship(store, { signal: this.#ending.signal, givesUp });
      this.#refusingSince = undefined;
      return await this.#isUpToDate(shipment);
    } catch (error) {
      if (error instanceof NoneTaken) this.#refusingSince ??= Date.now();
      else this.#refusingSince = undefined;
      this.#complain('The audit store does not take what waits in the outbox', error);
      return false;
    }
  }

  async #isUpToDate({ shipped, refused }: Shipment): Promise<boolean> {
    // Something may have been added meanwhile, or the store gone down.
    if (!(await this.#mailbox!.isEmpty()) || this.#state !== 'shipping') return false;
    this.#state = 'up';
    this.#queue.addFirst(this.#held.splice(0));
    const downForMs = this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
    this.#log.settle('The audit store is up to date', { shipped, refused, downForMs });
    this.#downSince = 0;
    return true;
  }

  /** Those who wait for a batch come before what is in the outbox. */
  async #answerWaiting(store: AuditStore): Promise<void> {
    const entries = this.#held.filter(({ fate }) => fate === 'wait');
    if (entries.length === 0) return;
    this.#held = this.#held.filter(({ fate }) => fate !== 'wait');
    const open = new Set(entries);
    const changes = entries.map((entry): Change & { readonly entry: Entry } => ({
      ...{ kind: entry.kind, item: entry.item, entry },
      resolve: (answer) => {
        open.delete(entry);
        entry.resolve(answer);
      },
    }));
    try {
      for (const [{ entry }, error] of await writeGroup(store, changes)) {
        open.delete(entry);
        await this.#setAside(entry, error);
      }
    } catch (error) {
      // The store itself may be well, and take none of these.
      await tryOut(store).catch((reason: unknown) => {
        this.#hold([...open]);
        throw reason;
      });
      this.#complain('The audit store takes no new batches', error);
      for (const entry of open) void this.#takeLater(entry);
    }
  }

  async #open(): Promise<AuditStore> {
    if (this.#store) return this.#store;
    const store = await this.options.openStore();
    try {
      await this.#mailbox!.belongsTo(await store.storeID());
    } catch (error) {
      await store.close();
      throw error;
    }
    this.#store = store;
    if (await this.#mailbox!.report()) this.#log.expectEnd();
    return store;
  }
}

/** A worker that shuts down does not wait for the store. */
export class Leaving extends Error {
  override readonly name = 'Leaving';

  constructor() {
    super('The worker shuts down while the audit store takes no changes');
  }
}

function noAnswer(ms: number): Error {
  return new Error(`it has not answered for ${ms / 1_000} s`);
}

/** Whether the work ended in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  return Promise.race([work.then(() => true), timeout]).finally(() => clearTimeout(timer));
}
