/**
 * Closes the rows of runs that ended, and certifies them by their history, which has the last word. Two ways lead here:
 * the isolate's hint that a run is about to close, and a regular look at what is not certified yet, for the ends that no
 * worker sees (terminated, timed out, a worker that died).
 *
 * Reading a history costs as much as a step. A worker that is busy shows at once what the look itself tells of runs that
 * ended well, and reads their histories when it has time, or when they have waited long enough.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { UncertifiedRun } from '../engines/contract.js';
import { certifyRun } from './certifyRun.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { EndedRun, RunKey, TemporalReader } from './temporalReader.js';

/** Ids in one visibility query; with more running rows than this, looks take turns. */
const LOOK_WIDTH = 200;
/**
 * When to read the history after the hint. The close event follows it within tens of milliseconds, more under load; each
 * read that comes too early costs as much as the one that counts. After the last one, the regular look finds the run.
 */
const READ_AFTER_MS = [150, 250, 400];
const MOST_AT_ONCE = 8;
const DRAIN_MS = 5_000;
/**
 * From this share of its thread's time on, a worker is called busy: measured so, it holds on fast machines and slow ones.
 * It counts over some looks: a moment's work is no load.
 */
const BUSY_FROM = 0.4;
const LOOKS = 5;
const LONGEST_WAIT_MS = 30_000;
const WHILE_DOWN_MS = 1_000;

export class Closer {
  readonly #inProgress = new Map<string, Promise<void>>();
  /** Runs that Temporal no longer knows. */
  readonly #gone = new Set<string>();
  #waiting: Array<() => void> = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  /** As of the last look. */
  openBatches = 0;
  #position = 0;
  #loopAtLook = performance.eventLoopUtilization();
  #load = 0;
  #isStopping = false;
  #isOver = false;

  constructor(
    readonly temporal: TemporalReader,
    readonly recorder: Recorder,
    readonly logger: Logger,
  ) {}

  start(): void {
    const lookMs = this.recorder.store?.pace.lookMs ?? WHILE_DOWN_MS;
    this.#timer = setTimeout(() => {
      this.#measureLoad();
      this.#look = this.lookForEnds().finally(() => {
        this.#look = undefined;
        if (!this.#isStopping) this.start();
      });
    }, lookMs);
    this.#timer.unref();
  }

  get #isBusy(): boolean {
    return this.#load > BUSY_FROM;
  }

  #measureLoad(): void {
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.#loopAtLook);
    this.#loopAtLook = loop;
    this.#load += (utilization - this.#load) / LOOKS;
  }

  /** A worker says that this run is about to close. */
  expectClose(run: RunKey): void {
    if (!this.#isBusy) void this.#certify(run, READ_AFTER_MS);
  }

  /** Closes and certifies what has ended by now, and stops. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isStopping = true;
    const done = async (): Promise<void> => {
      await this.#look;
      await Promise.all(this.#inProgress.values());
      await this.lookForEnds();
      await Promise.all(this.#inProgress.values());
    };
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
    await Promise.race([done(), timeout]);
    // Who still waits for a turn leaves its run to the next worker.
    this.#isOver = true;
  }

  async lookForEnds(): Promise<void> {
    const { store } = this.recorder;
    // What is not in the store yet would be taken for lost.
    if (!store) return;
    try {
      const uncertified = (await store.uncertifiedRuns(this.temporal.namespace)).filter(
        ({ RunID }) => !this.#inProgress.has(RunID) && !this.#gone.has(RunID),
      );
      const running = new Map(
        uncertified.filter(({ Status }) => Status === 'Running').map((run) => [run.RunID, run]),
      );
      this.openBatches = running.size;
      const ended = await this.temporal.ended(this.#nextOf([...running.values()]));
      const mayWait = this.#isBusy && !this.#isStopping;
      const shown = mayWait ? ended.flatMap((end) => goodEnd(end, running.get(end.RunID))) : [];
      const waiting = new Set(shown.map(({ RunID }) => RunID));
      const due = uncertified.filter(
        ({ EndTime }) => EndTime !== null && !(mayWait && Date.now() - Date.parse(EndTime) < LONGEST_WAIT_MS),
      );
      for (const run of [...ended.filter(({ RunID }) => !waiting.has(RunID)), ...due]) {
        void this.#certify(run, [0]);
      }
      await this.recorder.close(shown);
    } catch (error) {
      this.logger.warn('Batchtrail could not ask Temporal which runs have ended; it asks again', { error });
    }
  }

  #nextOf(running: readonly UncertifiedRun[]): UncertifiedRun[] {
    if (this.#position >= running.length) this.#position = 0;
    const turn = running.slice(this.#position, this.#position + LOOK_WIDTH);
    this.#position += LOOK_WIDTH;
    return turn;
  }

  /** Reads the history after each of the pauses, until it has the run's end. */
  #certify(run: RunKey, pauses: readonly number[]): Promise<void> {
    const known = this.#inProgress.get(run.RunID);
    if (known) return known;
    const certifying = this.#readUntilEnded(run, pauses)
      .catch((error: unknown) => this.#reportFailure(run, error))
      .finally(() => this.#inProgress.delete(run.RunID));
    this.#inProgress.set(run.RunID, certifying);
    return certifying;
  }

  #reportFailure(run: RunKey, error: unknown): void {
    if (isNotFound(error)) {
      this.#gone.add(run.RunID);
      this.logger.warn('Temporal has no history of this run any more; its batch stays as workers saw it', {
        ...run,
      });
    } else {
      this.logger.warn('Batchtrail could not close a batch by its history yet; it tries again', {
        ...run,
        error,
      });
    }
  }

  async #readUntilEnded(run: RunKey, pauses: readonly number[]): Promise<void> {
    for (const pause of pauses) {
      await delay(pause);
      if (
        await this.#inTurn(async () => this.#isOver || (await certifyRun(this.temporal, this.recorder, run)))
      )
        return;
    }
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
