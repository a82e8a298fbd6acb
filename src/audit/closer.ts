/**
 * Closes the rows of runs that ended, and certifies them by their history, which has the last word. Two ways lead here:
 * the isolate's hint that a run is about to close, and a regular look at what is not certified yet, for the ends that no
 * worker sees (terminated, timed out, a worker that died).
 *
 * Reading a history costs as much as a step. While many runs end, a worker shows at once what the look itself tells of
 * those that ended well, and reads their histories when fewer do, or when they have waited long enough.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { AuditStore, UncertifiedRun } from '../engines/contract.js';
import { Backoff } from './backoff.js';
import { certifyRun } from './certifyRun.js';
import { giveUpErased } from './erasedRun.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import { OutageLog } from './outageLog.js';
import { RateLimit } from './rateLimit.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { EndedRun, RunKey, TemporalReader } from './temporalReader.js';
import { LOOK_WIDTH } from './uncertified.js';

/**
 * When to read the history after the hint. The close event follows it within tens of milliseconds, more under load; each
 * read that comes too early costs as much as the one that counts. After the last one, the regular look finds the run.
 */
const READ_AFTER_MS = [150, 250, 400];
const MOST_AT_ONCE = 8;
/** Histories read in a second, and at once after a quiet time: more than a worker's runs end, and no flood after an outage. */
const PER_SECOND = 200;
const DRAIN_MS = 5_000;
/** With more ends than these in a second, a worker is called busy: up to then, reading their histories is no load. */
const FEW = 5;
const SECOND_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const WHILE_DOWN_MS = 1_000;

/** A run whose history is to be read; a look knows its batch. */
type Due = RunKey & Partial<Pick<UncertifiedRun, 'LogID'>>;

export class Closer {
  readonly #inProgress = new Map<string, Promise<void>>();
  readonly #backoff = new Backoff();
  readonly #rate = new RateLimit(PER_SECOND, PER_SECOND);
  readonly #lookLog: OutageLog;
  readonly #runLog: OutageLog;
  #waiting: Array<() => void> = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<unknown> | undefined;
  /** Where the next look goes on: with more rows than one takes, looks take turns. */
  readonly #after: Record<'open' | 'ended', UncertifiedRun | undefined> = {
    open: undefined,
    ended: undefined,
  };
  /** When the latest ends were announced, no more of them than it takes to be busy. */
  #latest: number[] = [];
  #isStopping = false;
  #isOver = false;

  constructor(
    readonly temporal: TemporalReader,
    readonly recorder: Recorder,
    readonly logger: Logger,
  ) {
    this.#lookLog = new OutageLog(logger, 'warn');
    this.#runLog = new OutageLog(logger, 'warn');
  }

  start(): void {
    const lookMs = this.recorder.store?.pace.lookMs ?? WHILE_DOWN_MS;
    this.#timer = setTimeout(() => {
      this.#look = this.lookForEnds().finally(() => {
        this.#look = undefined;
        if (!this.#isStopping) this.start();
      });
    }, lookMs);
    this.#timer.unref();
  }

  get #isBusy(): boolean {
    return this.#latest.length > FEW && performance.now() - this.#latest[0]! < SECOND_MS;
  }

  /** A worker says that this run is about to close. */
  expectClose(run: RunKey): void {
    this.#latest = [...this.#latest.slice(-FEW), performance.now()];
    if (!this.#isBusy) void this.#certify(run, READ_AFTER_MS);
  }

  /** Closes and certifies what has ended by now, and stops. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isStopping = true;
    const done = async (): Promise<void> => {
      await this.#look;
      await Promise.all(this.#inProgress.values());
      this.#after.ended = undefined;
      while ((await this.lookForEnds()) && !this.#isOver) await Promise.all(this.#inProgress.values());
    };
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
    await Promise.race([done(), timeout]);
    // Who still waits for a turn leaves its run to the next worker.
    this.#isOver = true;
  }

  /** Answers whether it found something, and another look may find more. */
  async lookForEnds(): Promise<boolean> {
    const { store } = this.recorder;
    // What is not in the store yet would be taken for lost.
    if (!store) return false;
    try {
      const [open, closed] = await Promise.all([this.#next(store, 'open'), this.#next(store, 'ended')]);
      const running = new Map(open.map((run) => [run.RunID, run]));
      const ended = await this.temporal.ended(open);
      const mayWait = this.#isBusy && !this.#isStopping;
      const shown = mayWait ? ended.flatMap((end) => goodEnd(end, running.get(end.RunID))) : [];
      const waiting = new Set(shown.map(({ RunID }) => RunID));
      const due = closed.filter(
        ({ EndTime }) => !(mayWait && Date.now() - Date.parse(EndTime!) < LONGEST_WAIT_MS),
      );
      const toRead = ended.filter(({ RunID }) => !waiting.has(RunID));
      for (const run of [...toRead.map(({ RunID }) => running.get(RunID)!), ...due]) {
        void this.#certify(run, [0]);
      }
      await this.recorder.close(shown);
      this.#lookLog.settle('Temporal tells again which runs have ended', {});
      return ended.length + due.length > 0 || this.#after.ended !== undefined;
    } catch (error) {
      // The recorder says it when it is the store.
      if (this.recorder.store)
        this.#lookLog.complain('Batchtrail could not ask which runs have ended; it asks again', { error });
      return false;
    }
  }

  /** The rows that it is this look's turn to look at. */
  async #next(store: AuditStore, which: 'open' | 'ended'): Promise<UncertifiedRun[]> {
    // What was found before comes first.
    if (which === 'ended' && this.#inProgress.size >= LOOK_WIDTH) return [];
    const page = await store.uncertifiedRuns({
      namespace: this.temporal.namespace,
      ended: which === 'ended',
      after: this.#after[which],
      limit: LOOK_WIDTH,
    });
    this.#after[which] = page.length === LOOK_WIDTH ? page.at(-1) : undefined;
    return page.filter(({ RunID }) => !this.#inProgress.has(RunID) && !this.#backoff.isWaiting(RunID));
  }

  /** Reads the history after each of the pauses, until it has the run's end. */
  #certify(run: Due, pauses: readonly number[]): Promise<void> {
    const known = this.#inProgress.get(run.RunID);
    if (known) return known;
    const certifying = this.#readUntilEnded(run, pauses)
      .catch((error: unknown) => this.#comeBack(run, error))
      .finally(() => this.#inProgress.delete(run.RunID));
    this.#inProgress.set(run.RunID, certifying);
    return certifying;
  }

  async #comeBack(run: Due, reason: unknown): Promise<void> {
    let error = reason;
    try {
      if (isNotFound(reason)) return void (await giveUpErased(this.recorder, run));
    } catch (other) {
      error = other;
    }
    // That the store is down is no fault of this run.
    if (!this.recorder.store) return;
    const { WorkflowID, RunID, LogID = this.recorder.knownBatch(RunID)?.LogID } = run;
    this.#backoff.failed(RunID);
    this.#runLog.complain('Batchtrail could not close a batch by its history yet; it tries again', {
      ...{ LogID, WorkflowID, RunID },
      runsThatFail: this.#backoff.size,
      error,
    });
  }

  async #readUntilEnded(run: RunKey, pauses: readonly number[]): Promise<void> {
    for (const pause of pauses) {
      await delay(pause);
      if (await this.#inTurn(() => this.#certifyNow(run))) return;
    }
  }

  async #certifyNow(run: RunKey): Promise<boolean> {
    if (!this.#isOver) await this.#rate.take();
    if (this.#isOver) return true;
    const isDone = await certifyRun(this.temporal, this.recorder, run);
    if (isDone) this.#backoff.succeeded(run.RunID);
    return isDone;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < MOST_AT_ONCE) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Whoever waits takes over the place.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/** What visibility tells of a run that ended well is all that its row needs for now. */
function goodEnd({ RunID, Status, EndTime }: EndedRun, run: UncertifiedRun | undefined): GoodEnd[] {
  return run && Status ? [{ LogID: run.LogID, RunID, Status, EndTime }] : [];
}
