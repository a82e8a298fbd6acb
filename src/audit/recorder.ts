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
import type { AuditStore, Outbox, OutboxItem } from '../engines/contract.js';
import { BadConfig } from '../domain/errors.js';
import type { BatchRef, PipelineEvent, PipelineRun, RunStart } from '../domain/model.js';
import { Gate } from './gate.js';
import type { Answer, Change, Item, Kind } from './groupCommit.js';
import { tryOut, writeGroup } from './groupCommit.js';
import type { RunHistory } from './history.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import { OutageLog } from './outageLog.js';
import { auditMetrics } from './metrics.js';
import { RunCache } from './runCache.js';
import { NoneTaken, problemOf, ship } from './shipper.js';
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

const NOT_NOW = 'The audit store does not take changes now';
const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';

/** Its start and its end, if it takes no time. */
const BY_ONE_ACTIVITY = 2;

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

export class Recorder {
  /** How many changes were written so far. */
  changes = 0;
  readonly #batches = new RunCache<BatchRef>();
  readonly #holder = randomUUID();
  readonly #leaving = new Set<string>();
  readonly #ending = new AbortController();
  readonly #log: OutageLog;
  readonly #fullLog: OutageLog;
  /** Those who wait for a batch, wherever they are. */
  readonly #awaited = new Set<Entry>();
  /** Those that the store did not take while it took others. */
  readonly #refused = new Set<Entry>();
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
  #refusingSince: number | undefined;
  /** The last entry of the outbox that was shipped. On a full disk, it may still be there. */
  #shippedUpTo = 0;

  constructor(
    readonly options: RecorderOptions,
    /** Closed while no new batch may begin. */
    readonly gate = new Gate(),
  ) {
    this.#log = new OutageLog(options.logger);
    this.#fullLog = new OutageLog(options.logger);
  }

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  async start(): Promise<void> {
    this.#outbox = await this.options.openOutbox();
    try {
      const store = await this.#open();
      if (!(await within(PATIENCE_MS, tryOut(store)))) throw noAnswer(PATIENCE_MS);
      this.#state = (await this.#hasMail()) ? 'shipping' : 'up';
      if (this.#state === 'shipping') this.#recover();
    } catch (error) {
      if (error instanceof BadConfig) {
        await this.#store?.close();
        await this.#outbox.close();
        throw error;
      }
      this.#goDown(error);
      if (this.#store === undefined) await this.#reportWaiting();
    }
  }

  /** The store, while it takes changes and knows all that this worker has seen. */
  get store(): AuditStore | undefined {
    return this.#state === 'up' ? this.#store : undefined;
  }

  /** Tells the store from all others; known as soon as the first batch is. */
  get storeID(): string {
    if (this.#storeID === undefined) throw new Error('The audit store has not been reached yet');
    return this.#storeID;
  }

  /** The run's batch; its row is durable when this returns. */
  open(start: RunStart, from?: string): Promise<BatchRef> {
    const find = (): Promise<BatchRef> =>
      this.#batches.get(start.RunID, () => this.#write('open', start, 'wait', from));
    // An activity may have asked first, in vain, because its question went to Temporal; ours goes to the store only.
    return find().catch((error: unknown) =>
      error instanceof Leaving && this.#isLeaving(from) ? Promise.reject(error) : find(),
    );
  }

  /** The batch of a run that may have been opened by another worker; `start` is asked only if nobody did. */
  batchOf(runID: string, start: () => Promise<RunStart>, from?: string): Promise<BatchRef> {
    const find = (): Promise<BatchRef> =>
      this.#batches.get(
        runID,
        async () =>
          (await this.#write('find', runID, 'wait', from)) ??
          (await this.#write('open', await start(), 'wait', from)),
      );
    // Another worker of this process may have asked first, and left.
    return find().catch((error: unknown) =>
      error instanceof Leaving && !this.#isLeaving(from) ? find() : Promise.reject(error as Error),
    );
  }

  async record(events: readonly PipelineEvent[], from?: string): Promise<void> {
    await this.#write('record', events, 'keep', from);
  }

  /** What a worker that leaves saw of a run that it could not open: the events' LogID is not looked at. */
  async recordUnopened(start: RunStart, events: readonly PipelineEvent[], from: string): Promise<void> {
    await this.#write('openAndRecord', { start, events }, 'keep', from);
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

  /**
   * Closes a run by its history. Rejects when the store refuses it; the closer comes back to it. Answers undefined when
   * somebody was faster.
   */
  async settle(history: RunHistory): Promise<PipelineRun | undefined> {
    const run = await this.#write('settle', history, 'try');
    if (run) {
      auditMetrics().certificates.add(1);
      auditMetrics().gapsHealed.add(run.GapCount ?? 0);
    }
    return run;
  }

  /** Closes a run that nobody will come back to. */
  async settleForSure(history: RunHistory): Promise<void> {
    await this.#write('settle', history, 'keep');
  }

  /** A worker begins to take work. */
  arrive(from: string): void {
    this.#leaving.delete(from);
  }

  /** What waits in the outbox for this store. */
  async waiting(): Promise<{ waiting: number; oldest: string | undefined }> {
    const states = (await this.#outbox?.state()) ?? [];
    const own = states.find(({ storeID }) => storeID === this.#storeID);
    return { waiting: own?.waiting ?? 0, oldest: own?.oldest };
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
    while (this.#flushing) await this.#flushing;
    await this.#giveUp(this.#held.splice(0), new Error(CLOSED));
    await within(
      this.#state === 'down' ? CLOSE_WHILE_DOWN_MS : CLOSE_MS,
      (this.#recovering ?? Promise.resolve()).then(() => this.#store?.close()),
    );
    await this.#outbox?.close();
  }

  #write<K extends Kind>(kind: K, item: Item<K>, fate: Fate, from?: string): Promise<Answer<K>> {
    if (this.#ending.signal.aborted) return Promise.reject(new Error(CLOSED));
    let entry: Entry;
    const answer = new Promise<Answer<K>>((resolve, reject) => {
      entry = { kind, item, fate, from, resolve: resolve as Entry['resolve'], reject };
      this.#queue.push(entry);
      this.#flushing ??= this.#flush();
    });
    if (fate !== 'wait') return answer;
    this.#awaited.add(entry!);
    return answer.finally(() => this.#awaited.delete(entry));
  }

  #enqueueFirst(entries: readonly Entry[]): void {
    this.#queue = [...entries, ...this.#queue];
    if (this.#queue.length > 0) this.#flushing ??= this.#flush();
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
        // What is late has been dealt with, except for those who wait; and the store may be up again meanwhile.
        if (!isLate) this.#goDown(error);
        await this.#take([...open].filter(({ fate }) => !isLate || fate === 'wait'));
      },
    );
    const patience = Math.max(PATIENCE_MS, store.pace.groupMs * PATIENCE_IN_GROUPS);
    if (await within(patience, writing)) return;
    isLate = true;
    this.#goDown(noAnswer(patience));
    for (const entry of open) if (entry.fate === 'try') entry.reject(new Error(NOT_NOW));
    await this.#keep([...open].filter(({ fate }) => fate === 'keep'));
  }

  /** What workers saw is durable in the outbox when this returns; if that is full, too, its callers wait for the store. */
  async #keep(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    // None overtakes those that already wait.
    const mustWait = this.options.strict || this.#held.some(({ fate }) => fate === 'keep');
    if (mustWait || !(await this.#addToOutbox(entries))) this.#hold(entries);
  }

  async #addToOutbox(entries: ReadonlyArray<Entry & OutboxItem>): Promise<boolean> {
    if (!this.#outbox || this.#storeID === undefined) return false;
    this.#additions.begun++;
    try {
      await this.#outbox.add(this.#storeID, entries);
    } catch (error) {
      this.#fullLog.complain('The outbox did not take events; their steps wait for the audit store', {
        error,
      });
      return false;
    } finally {
      this.#additions.done++;
    }
    for (const entry of entries) entry.resolve(undefined);
    return true;
  }

  #hold(entries: readonly Entry[]): void {
    const left: Entry[] = [];
    for (const entry of entries) {
      if (entry.fate === 'try') entry.reject(new Error(NOT_NOW));
      else if (!this.#isLeaving(entry.from)) this.#held.push(entry);
      else if (entry.fate === 'wait') entry.reject(new Leaving());
      else left.push(entry);
    }
    if (left.length > 0) void this.#giveUp(left, new Leaving());
  }

  #isLeaving(from: string | undefined): boolean {
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
    if (entry.fate === 'try') {
      entry.reject(error);
      return;
    }
    if (entry.fate === 'keep' && (await this.#addToOutbox([{ ...entry, problem: problemOf(error) }]))) {
      this.options.logger.error('The audit store refused a change', { kind: entry.kind, error });
      return;
    }
    this.#complain('The audit store refused a change; it is tried again', error);
    void this.#takeLater(entry);
  }

  /** Others need not wait for it. */
  async #takeLater(entry: Entry): Promise<void> {
    this.#refused.add(entry);
    await delay(LONGEST_PAUSE_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    if (!this.#refused.delete(entry)) return;
    if (this.#ending.signal.aborted) await this.#giveUp([entry], new Error(CLOSED));
    else this.#enqueueFirst([entry]);
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

  #complain(message: string, error: unknown): void {
    if (this.#ending.signal.aborted) return;
    const downForMs = this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
    this.#log.complain(message, { waiting: this.#held.length, downForMs, error });
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
      const { signal } = this.#ending;
      const shipment = await ship(this.#outbox!, store, this.#storeID!, this.#holder, { signal, givesUp });
      this.#refusingSince = undefined;
      return await this.#isUpToDate(shipment);
    } catch (error) {
      if (error instanceof NoneTaken) this.#refusingSince ??= Date.now();
      else this.#refusingSince = undefined;
      this.#complain('The audit store does not take what waits in the outbox', error);
      return false;
    }
  }

  async #isUpToDate({ shipped, refused, upTo, leftBehind }: Shipment): Promise<boolean> {
    this.#shippedUpTo = upTo;
    const { begun, done } = this.#additions;
    const hasMail = await this.#hasMail();
    // Something may have been added while this was asked, or the store gone down.
    if (this.#state !== 'shipping' || hasMail || begun !== done || begun !== this.#additions.begun)
      return false;
    this.#state = 'up';
    this.#enqueueFirst(this.#held.splice(0));
    const downForMs = this.#downSince === 0 ? 0 : Date.now() - this.#downSince;
    this.#log.settle('The audit store is up to date', { shipped, refused, downForMs });
    if (leftBehind !== undefined) {
      this.#fullLog.complain('The outbox can not forget what was shipped, and ships it again another time', {
        error: leftBehind,
      });
    }
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

  async #hasMail(): Promise<boolean> {
    return (await this.#outbox!.next(this.#storeID!, 1, this.#shippedUpTo)).length > 0;
  }

  async #open(): Promise<AuditStore> {
    if (this.#store) return this.#store;
    const store = await this.options.openStore();
    try {
      this.#storeID = await store.storeID();
    } catch (error) {
      await store.close();
      throw error;
    }
    this.#store = store;
    await this.#outbox!.bringBack(this.#storeID);
    await this.#reportWaiting();
    return store;
  }

  /** What an earlier process left behind. */
  async #reportWaiting(): Promise<void> {
    for (const { storeID, waiting, refused, oldest } of await this.#outbox!.state()) {
      if (this.#storeID === undefined) {
        this.options.logger.warn('Events wait in the outbox until their audit store answers', {
          ...{ storeID, waiting: waiting + refused, oldest },
        });
      } else if (storeID === this.#storeID) {
        this.options.logger.info('Events wait in the outbox and are shipped now', { waiting, oldest });
        this.#log.expectEnd();
      } else {
        this.options.logger.warn(
          'The outbox holds events of another audit store. Start a worker with that store, or: batchtrail outbox --ship',
          { storeID, waiting: waiting + refused, oldest },
        );
      }
    }
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
