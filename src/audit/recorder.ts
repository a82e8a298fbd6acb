/**
 * Writes to the audit store. Calls that come while a transaction runs are written together by the next one, so fifty
 * activities that end at once cost one commit.
 *
 * While the store does not take changes, what workers saw goes to the outbox, and is shipped in order when the store is
 * back; a call returns when its change is durable, in one or the other. New batches wait for the store.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { AuditStore, Outbox } from '../engines/contract.js';
import { BadConfig } from '../domain/errors.js';
import type { BatchRef, PipelineEvent, RunStart } from '../domain/model.js';
import { Gate } from './gate.js';
import type { Answer, Change, Item, Kind } from './groupCommit.js';
import { writeGroup } from './groupCommit.js';
import type { RunHistory } from './history.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import { RunCache } from './runCache.js';
import { problemOf, ship } from './shipper.js';
import type { Shipment } from './shipper.js';

export interface RecorderOptions {
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
type Fate = 'keep' | 'wait' | 'try';

interface Entry extends Change {
  readonly fate: Fate;
  /** The worker that waits for it. */
  readonly from: string | undefined;
  readonly reject: (error: unknown) => void;
}

/** `shipping`: the store takes changes again, and what waits in the outbox has to come before what workers see now. */
type State = 'up' | 'down' | 'shipping';

const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';

/** Its start and its end, if it takes no time. */
const BY_ONE_ACTIVITY = 2;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
const COMPLAINT_INTERVAL_MS = 60_000;
/** A store that takes longer for one commit is treated like one that does not answer; and how much of its own pace. */
const PATIENCE_MS = 5_000;
const PATIENCE_IN_GROUPS = 15;
const CLOSE_MS = 5_000;

export class Recorder {
  /** How many changes were written so far. */
  changes = 0;
  readonly #batches = new RunCache<BatchRef>();
  readonly #holder = randomUUID();
  readonly #leaving = new Set<string>();
  readonly #ending = new AbortController();
  #state: State = 'down';
  #store: AuditStore | undefined;
  #storeID: string | undefined;
  #outbox: Outbox | undefined;
  #queue: Entry[] = [];
  #held: Entry[] = [];
  #flushing: Promise<void> | undefined;
  #recovering: Promise<void> | undefined;
  #isShared = false;
  #additions = { begun: 0, done: 0 };
  #downSince = 0;
  #lastComplaint = 0;

  constructor(
    readonly options: RecorderOptions,
    /** Closed while no new batch may begin. */
    readonly gate = new Gate(),
  ) {}

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  async start(): Promise<void> {
    this.#outbox = await this.options.openOutbox();
    try {
      await this.#open();
      this.#state = (await this.#hasMail()) ? 'shipping' : 'up';
      if (this.#state === 'shipping') this.#recover();
    } catch (error) {
      if (error instanceof BadConfig) {
        await this.#outbox.close();
        throw error;
      }
      this.#goDown(error);
    }
  }

  /** The store, while it takes changes and knows all that this worker has seen. */
  get store(): AuditStore | undefined {
    return this.#state === 'up' ? this.#store : undefined;
  }

  /** The run's batch; its row is durable when this returns. */
  open(start: RunStart, from?: string): Promise<BatchRef> {
    const find = (): Promise<BatchRef> =>
      this.#batches.get(start.RunID, () => this.#write('open', start, 'wait', from));
    // An activity may have asked first, in vain, because its question went to Temporal; ours goes to the store only.
    return find().catch((error: unknown) => (error instanceof Leaving ? Promise.reject(error) : find()));
  }

  /** The batch of a run that may have been opened by another worker; `start` is asked only if nobody did. */
  batchOf(runID: string, start: () => Promise<RunStart>, from?: string): Promise<BatchRef> {
    return this.#batches.get(
      runID,
      async () =>
        (await this.#write('find', runID, 'wait', from)) ??
        (await this.#write('open', await start(), 'wait', from)),
    );
  }

  async record(events: readonly PipelineEvent[]): Promise<void> {
    await this.#write('record', events, 'keep');
  }

  async noteTaskFailure(runID: string, message: string): Promise<void> {
    // The next activation of the run opens it again, and so clears the message.
    this.#batches.forget(runID);
    await this.#write('note', { runID, message }, 'keep');
  }

  /** Shows that runs ended well, before their histories are read. Rejects when the store refuses it. */
  async close(ends: readonly GoodEnd[]): Promise<void> {
    await Promise.all(ends.map((end) => this.#write('close', end, 'try')));
  }

  /** Closes a run by its history. Rejects when the store refuses it; the closer comes back to it. */
  async settle(history: RunHistory): Promise<void> {
    await this.#write('settle', history, 'try');
  }

  /** Closes a run that nobody will come back to. */
  async settleForSure(history: RunHistory): Promise<void> {
    await this.#write('settle', history, 'keep');
  }

  /** A worker begins to take work. */
  arrive(from: string): void {
    this.#leaving.delete(from);
  }

  /** This worker shuts down: what it waits for is given up, now and from now on, while the store does not answer. */
  leave(from: string): void {
    this.#leaving.add(from);
    this.#held = this.#held.filter((entry) => !this.#letGo(entry));
  }

  /** Writes what is queued, or puts it into the outbox, and closes both. Does not wait for a store that does not answer. */
  async shutdown(): Promise<void> {
    this.#ending.abort();
    while (this.#flushing) await this.#flushing;
    for (const entry of this.#held.splice(0)) entry.reject(new Error(CLOSED));
    await within(
      CLOSE_MS,
      (this.#recovering ?? Promise.resolve()).then(() => this.#store?.close()),
    );
    await this.#outbox?.close();
  }

  #write<K extends Kind>(kind: K, item: Item<K>, fate: Fate, from?: string): Promise<Answer<K>> {
    if (this.#ending.signal.aborted) return Promise.reject(new Error(CLOSED));
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind, item, fate, from, resolve: resolve as Entry['resolve'], reject });
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      // Where several write at once, waiting a little for more of them saves commits; who writes alone never waits.
      await new Promise((resolve) =>
        this.#isShared ? setTimeout(resolve, this.#store?.pace.groupMs ?? 0) : setImmediate(resolve),
      );
      const entries = this.#queue;
      this.#queue = [];
      this.#isShared = entries.length > BY_ONE_ACTIVITY;
      await this.#take(entries);
    }
    this.#flushing = undefined;
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
        this.changes++;
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
        this.#goDown(error);
        // What a worker saw is in the outbox already if this took too long.
        await this.#take([...open].filter(({ fate }) => !isLate || fate !== 'keep'));
      },
    );
    const patience = Math.max(PATIENCE_MS, store.pace.groupMs * PATIENCE_IN_GROUPS);
    if (await within(patience, writing)) return;
    isLate = true;
    this.#goDown(new Error(`it has not answered for ${patience / 1_000} s`));
    await this.#keep([...open].filter(({ fate }) => fate === 'keep'));
  }

  /** What workers saw is durable in the outbox when this returns; if that is full, too, its callers wait for the store. */
  async #keep(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    if (this.options.strict || !this.#outbox || this.#storeID === undefined) return this.#hold(entries);
    this.#additions.begun++;
    try {
      await this.#outbox.add(this.#storeID, entries);
      for (const entry of entries) entry.resolve(undefined);
    } catch (error) {
      this.options.logger.error('The outbox did not take events; their steps wait for the audit store', {
        error,
      });
      this.#hold(entries);
    } finally {
      this.#additions.done++;
    }
  }

  #hold(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.fate === 'try') entry.reject(new Error('The audit store does not take changes now'));
      else if (!this.#letGo(entry)) this.#held.push(entry);
    }
  }

  #letGo({ from, reject }: Entry): boolean {
    const isLeft = from !== undefined && this.#leaving.has(from);
    if (isLeft) reject(new Leaving('The worker shuts down while the audit store takes no changes'));
    return isLeft;
  }

  /** The store takes other changes, and not this one. */
  async #setAside(entry: Entry, error: unknown): Promise<void> {
    if (entry.fate === 'try') {
      entry.reject(error);
      return;
    }
    this.options.logger.error('The audit store refused a change', { kind: entry.kind, error });
    if (entry.fate === 'keep' && this.#outbox) {
      await this.#outbox.add(this.#storeID!, [{ ...entry, problem: problemOf(error) }]);
      entry.resolve(undefined);
      return;
    }
    await delay(LONGEST_PAUSE_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    if (this.#ending.signal.aborted) entry.reject(error);
    else await this.#take([entry]);
  }

  #goDown(error: unknown): void {
    this.#state = 'down';
    this.#downSince ||= Date.now();
    this.gate.close();
    this.#complain(error);
    this.#recover();
  }

  #complain(error: unknown): void {
    if (Date.now() - this.#lastComplaint < COMPLAINT_INTERVAL_MS) return;
    this.#lastComplaint = Date.now();
    this.options.logger.error(
      this.options.strict
        ? 'The audit store does not take changes. Batches wait until it does'
        : 'The audit store does not take changes. No new batch starts; what running ones do is kept in the outbox',
      { waiting: this.#held.length, downForMs: Date.now() - this.#downSince, error },
    );
  }

  #recover(): void {
    this.#recovering ??= this.#tryUntilUp().finally(() => (this.#recovering = undefined));
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
      // Who waits comes first: it shows whether the store takes anything.
      await this.#writeHeld(store, 'wait');
      await store.transaction((tx) => tx.lastSeal());
    } catch (error) {
      this.#goDown(error);
      return false;
    }
    this.#state = 'shipping';
    this.gate.open();
    let shipment: Shipment;
    try {
      shipment = await ship(this.#outbox!, store, this.#storeID!, this.#holder);
      await this.#writeHeld(store, 'keep');
    } catch (error) {
      this.#complain(error);
      return false;
    }
    return this.#isUpToDate(shipment);
  }

  async #isUpToDate(shipment: Shipment): Promise<boolean> {
    const { begun, done } = this.#additions;
    const hasMail = await this.#hasMail();
    // Something may have been added while this was asked.
    if (hasMail || this.#held.length > 0 || begun !== done || begun !== this.#additions.begun) return false;
    this.#state = 'up';
    const downForMs = this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
    this.options.logger.info('The audit store is up to date', { ...shipment, downForMs });
    this.#downSince = 0;
    this.#lastComplaint = 0;
    return true;
  }

  async #writeHeld(store: AuditStore, fate: Fate): Promise<void> {
    const entries = this.#held.filter((entry) => entry.fate === fate);
    if (entries.length === 0) return;
    this.#held = this.#held.filter((entry) => entry.fate !== fate);
    const open = new Set(entries);
    const changes = entries.map((entry): Entry => ({
      ...entry,
      resolve: (answer) => {
        open.delete(entry);
        entry.resolve(answer);
      },
    }));
    try {
      await writeGroup(store, changes);
    } catch (error) {
      // One alone may be refused for its own sake.
      if (changes.length > 1) throw error;
      this.#complain(error);
    } finally {
      this.#hold([...open]);
    }
  }

  async #hasMail(): Promise<boolean> {
    return (await this.#outbox!.next(this.#storeID!, 1)).length > 0;
  }

  async #open(): Promise<AuditStore> {
    if (this.#store) return this.#store;
    const store = await this.options.openStore();
    this.#storeID = await store.storeID();
    this.#store = store;
    await this.#reportMail();
    return store;
  }

  /** What an earlier process left behind. */
  async #reportMail(): Promise<void> {
    await this.#outbox!.bringBack(this.#storeID!);
    for (const { storeID, waiting, oldest } of await this.#outbox!.state()) {
      if (storeID === this.#storeID) {
        this.options.logger.info('Events wait in the outbox and are shipped now', { waiting, oldest });
      } else {
        this.options.logger.warn(
          'The outbox holds events of another audit store. Start a worker with that store, or: batchtrail outbox --ship',
          { storeID, waiting, oldest },
        );
      }
    }
  }
}

/** A worker that shuts down does not wait for the store. */
export class Leaving extends Error {
  override readonly name = 'Leaving';
}

/** Whether the work ended in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  return Promise.race([work.then(() => true), timeout]).finally(() => clearTimeout(timer));
}
