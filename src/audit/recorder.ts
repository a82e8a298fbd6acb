/**
 * Writes to the audit store. Calls that come while a transaction runs are written together by the next one, so fifty
 * activities that end at once cost one commit. A call returns when its change is durable.
 */
import type { Logger } from '@temporalio/common';
import type { AuditStore } from '../engines/contract.js';
import type { BatchRef, PipelineEvent, RunStart } from '../domain/model.js';
import type { RunHistory } from './history.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import { closeRuns } from './ledger/closeRuns.js';
import { inLedger } from './ledger/ledger.js';
import type { Ledger } from './ledger/ledger.js';
import { noteTaskFailures } from './ledger/noteTaskFailures.js';
import { findBatchRefs, openRuns } from './ledger/openRuns.js';
import { recordLive } from './ledger/recordLive.js';
import { settleRuns } from './ledger/settleRuns.js';
import { RunCache } from './runCache.js';

/** What a group commit writes, in this order: each kind in one go for all who asked. */
const WRITERS = {
  record: async (ledger: Ledger, events: ReadonlyArray<readonly PipelineEvent[]>) => {
    await recordLive(ledger, events.flat());
    return events.map(() => undefined);
  },
  open: openRuns,
  find: findBatchRefs,
  note: noteTaskFailures,
  close: closeRuns,
  settle: settleRuns,
} satisfies Record<string, (ledger: Ledger, items: readonly never[]) => Promise<unknown[]>>;

type Kind = keyof typeof WRITERS;
type Item<K extends Kind> = Parameters<(typeof WRITERS)[K]>[1][number];
type Answer<K extends Kind> = Awaited<ReturnType<(typeof WRITERS)[K]>>[number];
type Writer = (ledger: Ledger, items: readonly unknown[]) => Promise<unknown[]>;

interface Entry {
  readonly kind: Kind;
  readonly item: unknown;
  /** Whether the caller does without when the store refuses this change; what a worker saw is never given up. */
  readonly canFail: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const CLOSED = 'The audit store is closed: the worker has shut down, and this came after it';

/** Its start and its end, if it takes no time. */
const BY_ONE_ACTIVITY = 2;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
const COMPLAINT_INTERVAL_MS = 60_000;

export class Recorder {
  readonly #batches = new RunCache<BatchRef>();
  /** How many changes were written so far. */
  changes = 0;
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
    const find = (): Promise<BatchRef> => this.#batches.get(start.RunID, () => this.#write('open', start));
    // An activity may have asked first, in vain, because its question went to Temporal; ours goes to the store only.
    return find().catch(find);
  }

  /** The batch of a run that may have been opened by another worker; `start` is asked only if nobody did. */
  batchOf(runID: string, start: () => Promise<RunStart>): Promise<BatchRef> {
    return this.#batches.get(
      runID,
      async () => (await this.#write('find', runID)) ?? (await this.#write('open', await start())),
    );
  }

  async record(events: readonly PipelineEvent[]): Promise<void> {
    await this.#write('record', events);
  }

  async noteTaskFailure(runID: string, message: string): Promise<void> {
    // The next activation of the run opens it again, and so clears the message.
    this.#batches.forget(runID);
    await this.#write('note', { runID, message });
  }

  /** Shows that runs ended well, before their histories are read. Rejects when the store refuses it. */
  async close(ends: readonly GoodEnd[]): Promise<void> {
    await Promise.all(ends.map((end) => this.#write('close', end, true)));
  }

  /** Closes a run by its history. Rejects when the store refuses it; the closer comes back to it. */
  async settle(history: RunHistory): Promise<void> {
    await this.#write('settle', history, true);
  }

  /** Closes a run that nobody will come back to. */
  async settleForSure(history: RunHistory): Promise<void> {
    await this.#write('settle', history);
  }

  /** Writes what is queued, once more if need be, and closes the store. What it does not take now is given up, loudly. */
  async shutdown(): Promise<void> {
    this.#isClosing = true;
    while (this.#flushing) await this.#flushing;
    await this.store.close();
  }

  #write<K extends Kind>(kind: K, item: Item<K>, canFail = false): Promise<Answer<K>> {
    if (this.#isClosing) return Promise.reject(new Error(CLOSED));
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind, item, canFail, resolve: resolve as Entry['resolve'], reject });
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      // Where several write at once, waiting a little for more of them saves commits; who writes alone never waits.
      await new Promise((resolve) =>
        this.#isShared ? setTimeout(resolve, this.store.pace.groupMs) : setImmediate(resolve),
      );
      const entries = this.#queue;
      this.#queue = [];
      this.#isShared = entries.length > BY_ONE_ACTIVITY;
      await this.#commit(entries);
    }
    this.#flushing = undefined;
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    let began = false;
    try {
      const answers = await inLedger(this.store, (ledger) => {
        began = true;
        return writeAll(ledger, entries);
      });
      this.changes += entries.length;
      for (const entry of entries) entry.resolve(answers.get(entry));
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

async function writeAll(ledger: Ledger, entries: readonly Entry[]): Promise<Map<Entry, unknown>> {
  const answers = new Map<Entry, unknown>();
  for (const [kind, writer] of Object.entries(WRITERS)) {
    const ofKind = entries.filter((entry) => entry.kind === kind);
    if (ofKind.length === 0) continue;
    const found = await (writer as Writer)(
      ledger,
      ofKind.map(({ item }) => item),
    );
    ofKind.forEach((entry, index) => answers.set(entry, found[index]));
  }
  return answers;
}
