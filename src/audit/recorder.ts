/**
 * Writes to the audit store. Calls that come while a transaction runs are written together by the next one, so fifty
 * activities that end at once cost one commit. A call returns when its change is durable.
 */
import type { Logger } from '@temporalio/common';
import type { AuditStore, AuditTransaction } from '../engines/contract.js';
import type { BatchRef, PipelineEvent, RunStart } from '../domain/model.js';
import { isoTime } from '../domain/time.js';
import type { RunHistory } from './history.js';
import { noteTaskFailure, openRun, recordLive, settle } from './ledger.js';
import { RunCache } from './runCache.js';

interface Entry {
  /** Live events of all entries are written first, in one go. */
  readonly events: readonly PipelineEvent[];
  readonly work?: (tx: AuditTransaction, now: string) => Promise<unknown>;
  /** Whether the caller does without when the store refuses this change; what a worker saw is never given up. */
  readonly canFail: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';

/** How long a group commit is held open for others. */
const GROUP_MS = 4;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
const COMPLAINT_INTERVAL_MS = 60_000;

export class Recorder {
  readonly #batches = new RunCache<BatchRef>();
  #queue: Entry[] = [];
  #flushing: Promise<void> | undefined;
  #isShared = false;
  #isClosing = false;
  #pauseMs = FIRST_PAUSE_MS;
  #lastComplaint = 0;

  constructor(
    readonly store: AuditStore,
    readonly logger: Logger,
  ) {}

  /** The run's batch; its row is durable when this returns. */
  open(start: RunStart): Promise<BatchRef> {
    const find = (): Promise<BatchRef> =>
      this.#batches.get(start.RunID, () => this.#write((tx, now) => openRun(tx, start, now)));
    // An activity may have asked first, in vain, because its question went to Temporal; ours goes to the store only.
    return find().catch(find);
  }

  /** The batch of a run that may have been opened by another worker; `start` is asked only if nobody did. */
  batchOf(runID: string, start: () => Promise<RunStart>): Promise<BatchRef> {
    return this.#batches.get(runID, async () => {
      const known = await this.#write(async (tx): Promise<BatchRef | undefined> => {
        const run = await tx.findRun(runID);
        const batch = run && (await tx.findBatch(run.LogID));
        return batch && { LogID: batch.LogID, PipelineName: batch.PipelineName, RunID: runID };
      });
      if (known) return known;
      const facts = await start();
      return this.#write((tx, now) => openRun(tx, facts, now));
    });
  }

  record(events: readonly PipelineEvent[]): Promise<void> {
    return this.#enqueue({ events, canFail: false });
  }

  async noteTaskFailure(runID: string, message: string): Promise<void> {
    // The next activation of the run opens it again, and so clears the message.
    this.#batches.forget(runID);
    await this.#write((tx) => noteTaskFailure(tx, runID, message));
  }

  /** Closes a run. Rejects when the store refuses it; the closer comes back to it. */
  async settle(history: RunHistory): Promise<void> {
    await this.#enqueue({ events: [], work: (tx, now) => settle(tx, history, now), canFail: true });
  }

  /** Closes a run that nobody will come back to. */
  async settleForSure(history: RunHistory): Promise<void> {
    await this.#write((tx, now) => settle(tx, history, now));
  }

  /** Writes what is queued, once more if need be, and closes the store. What it does not take now is given up, loudly. */
  async close(): Promise<void> {
    this.#isClosing = true;
    while (this.#flushing) await this.#flushing;
    await this.store.close();
  }

  #write<T>(work: (tx: AuditTransaction, now: string) => Promise<T>): Promise<T> {
    return this.#enqueue({ events: [], work, canFail: false });
  }

  #enqueue<T>(entry: Omit<Entry, 'resolve' | 'reject'>): Promise<T> {
    if (this.#isClosing) return Promise.reject(new Error(CLOSED));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ ...entry, resolve: resolve as Entry['resolve'], reject });
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      // Where several write at once, waiting a little for more of them saves commits; who writes alone never waits.
      await new Promise((resolve) =>
        this.#isShared ? setTimeout(resolve, GROUP_MS) : setImmediate(resolve),
      );
      const entries = this.#queue;
      this.#queue = [];
      this.#isShared = entries.length > 1;
      await this.#commit(entries);
    }
    this.#flushing = undefined;
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    let began = false;
    try {
      const results = await this.store.transaction(async (tx) => {
        began = true;
        return apply(tx, entries);
      });
      entries.forEach((entry, index) => entry.resolve(results[index]));
      this.#pauseMs = FIRST_PAUSE_MS;
    } catch (error) {
      // One change that the store refuses must not hold up the others: each gets a transaction of its own.
      if (began && entries.length > 1) for (const entry of entries) await this.#commit([entry]);
      else await this.#tryLater(entries, error);
    }
  }

  async #tryLater(entries: readonly Entry[], error: unknown): Promise<void> {
    for (const entry of entries) {
      if (entry.canFail || this.#isClosing) entry.reject(error);
      else this.#queue.push(entry);
    }
    if (this.#isClosing) {
      this.logger.error('The audit store did not take these changes, and the worker is shutting down', {
        error,
      });
      return;
    }
    if (Date.now() - this.#lastComplaint > COMPLAINT_INTERVAL_MS) {
      this.#lastComplaint = Date.now();
      this.logger.error('The audit store did not take a change; activities wait until it does', {
        waiting: this.#queue.length,
        error,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function apply(tx: AuditTransaction, entries: readonly Entry[]): Promise<unknown[]> {
  const now = isoTime(Date.now());
  const events = entries.flatMap((entry) => entry.events);
  if (events.length > 0) await recordLive(tx, events, now);
  const results: unknown[] = [];
  for (const { work } of entries) results.push(await work?.(tx, now));
  return results;
}
