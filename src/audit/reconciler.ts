/**
 * Looks for runs that no worker ever saw, and so left no row: terminated or timed out before their first task, or run
 * while the plugin was off. One worker does it for all that share a task queue and an audit.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '@temporalio/common';
import { isoTime } from '../domain/time.js';
import type { WorkerPlace } from './auditor.js';
import { addMissing, quoted } from './missingRuns.js';
import type { Recorder } from './recorder.js';
import type { TemporalReader } from './temporalReader.js';

const EVERY_MS = 15_000;
const TURN_MS = 60_000;
/** Visibility shows a run some time after it was closed, and not always in the order of their ends. */
const OVERLAP_MS = 120_000;
const RETENTION_WARNING = 0.8;
const WARN_EVERY_MS = 3_600_000;

export class Reconciler {
  readonly #holder = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStopping = false;
  #lastWarning = 0;
  #lastLook: string | undefined;

  constructor(
    readonly temporal: TemporalReader,
    readonly recorder: Recorder,
    readonly place: WorkerPlace,
    readonly logger: Logger,
  ) {}

  /** When this process last completed a look; undefined while it is another one's turn. */
  get lastLook(): string | undefined {
    return this.#lastLook;
  }

  start(): void {
    this.#looking = this.#lookInTurn().finally(() => {
      this.#looking = undefined;
      if (this.#isStopping) return;
      const lookMs = this.recorder.store?.pace.lookMs ?? 0;
      this.#timer = setTimeout(() => this.start(), Math.max(EVERY_MS, lookMs));
      this.#timer.unref();
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await this.#takeTurn(0).catch(() => undefined);
  }

  async #lookInTurn(): Promise<void> {
    try {
      const turn = await this.#takeTurn(TURN_MS);
      if (turn) await this.#look(turn.watermark);
      this.#lastLook = turn && isoTime(Date.now());
    } catch (error) {
      this.logger.warn('Batchtrail could not look for runs that no worker saw; it looks again', {
        ...this.place,
        error,
      });
    }
  }

  get #scope(): string {
    return `reconcile ${this.place.namespace}/${this.place.taskQueue}`.slice(0, 400);
  }

  async #takeTurn(forMs: number) {
    const turn = { scope: this.#scope, holder: this.#holder, forMs };
    return this.recorder.store?.transaction((tx) => tx.takeTurn(turn));
  }

  async #look(watermark: string): Promise<void> {
    const since = isoTime(Date.parse(watermark) - OVERLAP_MS);
    const query = `TaskQueue = ${quoted(this.place.taskQueue)} AND CloseTime >= ${quoted(since)}`;
    // A long look keeps its turn.
    const keeping = setInterval(() => void this.#takeTurn(TURN_MS).catch(() => undefined), TURN_MS / 3);
    try {
      const { added, latest } = await addMissing(this.temporal, this.recorder, query);
      if (added > 0) {
        this.logger.info('Batchtrail made the batches of runs that no worker saw', { ...this.place, added });
      }
      if (latest !== undefined && latest > watermark) {
        await this.recorder.store?.transaction((tx) => tx.advance(this.#scope, latest));
      }
    } finally {
      clearInterval(keeping);
    }
    await this.#warnOfRetention();
  }

  /** What Temporal erases can't be proven any more. */
  async #warnOfRetention(): Promise<void> {
    const { store } = this.recorder;
    if (!store || Date.now() - this.#lastWarning < WARN_EVERY_MS) return;
    const retentionMs = await this.temporal.retentionMs();
    if (retentionMs === 0) return;
    const warnBefore = isoTime(Date.now() - retentionMs * RETENTION_WARNING);
    const aging = (await store.uncertifiedRuns(this.place.namespace)).filter(
      ({ EndTime }) => EndTime !== null && EndTime < warnBefore,
    );
    this.#lastWarning = Date.now();
    if (aging.length > 0) {
      this.logger.warn('Runs are not certified yet, and Temporal erases their histories soon', {
        ...this.place,
        runs: aging.length,
        retentionMs,
        oldest: aging[0]!.EndTime,
      });
    }
  }
}
