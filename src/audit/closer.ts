/**
 * Closes the rows of runs that ended. Two ways lead here: the isolate's hint that a run is about to close, and a
 * regular look at which of the open rows' runs have ended, for the ends that no worker sees (terminated,
 * timed out, a worker that died). Either way the history is read and has the last word.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { AuditStore } from '../engines/contract.js';
import type { Recorder } from './recorder.js';
import type { RunKey, TemporalReader } from './temporalReader.js';

/** Ids in one visibility query; with more open rows than this, looks take turns. */
const LOOK_WIDTH = 200;
/**
 * When to read the history after the hint. The close event follows it within tens of milliseconds, more under load; each
 * read that comes too early costs as much as the one that counts. After the last one, the regular look finds the run.
 */
const READ_AFTER_MS = [150, 250, 400];
const MOST_AT_ONCE = 8;
const DRAIN_MS = 5_000;

export class Closer {
  readonly #inProgress = new Map<string, Promise<void>>();
  #waiting: Array<() => void> = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #position = 0;

  constructor(
    readonly temporal: TemporalReader,
    readonly store: AuditStore,
    readonly recorder: Recorder,
    readonly logger: Logger,
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.#look ??= this.lookForEnds().finally(() => (this.#look = undefined));
    }, this.store.pace.lookMs);
    this.#timer.unref();
  }

  /** A worker says that this run is about to close. */
  expectClose(run: RunKey): void {
    void this.#close(run, READ_AFTER_MS);
  }

  /** Closes what has ended by now, and stops. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const done = async (): Promise<void> => {
      await this.#look;
      await Promise.all(this.#inProgress.values());
      await this.lookForEnds();
      await Promise.all(this.#inProgress.values());
    };
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
    await Promise.race([done(), timeout]);
  }

  async lookForEnds(): Promise<void> {
    try {
      const open = (await this.store.runningRuns(this.temporal.namespace)).filter(
        ({ RunID }) => !this.#inProgress.has(RunID),
      );
      if (this.#position >= open.length) this.#position = 0;
      const turn = open.slice(this.#position, this.#position + LOOK_WIDTH);
      this.#position += LOOK_WIDTH;
      await Promise.all((await this.temporal.ended(turn)).map((run) => this.#close(run, [0])));
    } catch (error) {
      this.logger.warn('Batchtrail could not ask Temporal which runs have ended; it asks again', { error });
    }
  }

  /** Reads the history after each of the pauses, until it has the run's end. */
  #close(run: RunKey, pauses: readonly number[]): Promise<void> {
    const known = this.#inProgress.get(run.RunID);
    if (known) return known;
    const closing = this.#readUntilEnded(run, pauses)
      .catch((error: unknown) => {
        this.logger.warn('Batchtrail could not close a batch by its history yet; it tries again', {
          ...run,
          error,
        });
      })
      .finally(() => this.#inProgress.delete(run.RunID));
    this.#inProgress.set(run.RunID, closing);
    return closing;
  }

  async #readUntilEnded(run: RunKey, pauses: readonly number[]): Promise<void> {
    for (const pause of pauses) {
      await delay(pause);
      if (await this.#inTurn(() => this.#closeIfEnded(run))) return;
    }
  }

  async #closeIfEnded(run: RunKey): Promise<boolean> {
    const history = await this.temporal.history(run);
    if (!history.end) return false;
    await this.recorder.settle(history);
    if (history.end.byReset) await this.#openSuccessor(run);
    return true;
  }

  /** The run that a reset made may end before any worker sees it: its batch goes on there all the same. */
  async #openSuccessor(run: RunKey): Promise<void> {
    const successor = await this.temporal.resetSuccessor(run);
    if (successor) await this.recorder.open(await this.temporal.start(successor));
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
