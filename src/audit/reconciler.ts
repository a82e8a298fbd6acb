/**
 * Looks for runs that no worker ever saw, and so left no row: terminated or timed out before their first task, or run
 * while the plugin was off. One worker does it for all that share a task queue and an audit.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '@temporalio/common';
import { isoTime } from '../domain/time.js';
import type { WorkerPlace } from './auditor.js';
import { Backoff } from './backoff.js';
import { addMissing, quoted } from './missingRuns.js';
import { steadyRate } from './rateLimit.js';
import { OutageLog } from './outageLog.js';
import type { Recorder } from './recorder.js';
import { survey } from './survey.js';
import type { ClosedRun, TemporalReader } from './temporalReader.js';

/** The name of its turn in the store. */
const LOOKS = 'reconcile';
const EVERY_MS = 15_000;
const TURN_MS = 60_000;
/** Visibility shows a run some time after it was closed, and not always in the order of their ends. */
const OVERLAP_MS = 120_000;
/** So long after its end a run is looked for once more: a part of visibility may lag behind the rest by any time. */
const AGAIN_AFTER_HOURS = [1, 24];
const HOUR_MS = 3_600_000;
const RETENTION_WARNING = 0.8;
const WARN_EVERY_MS = 3_600_000;
const SURVEY_EVERY_MS = 600_000;
/** A shutdown waits so long for what is being read or written. */
const STOP_MS = 2_000;

export class Reconciler {
  readonly #holder = randomUUID();
  readonly #stopping = new AbortController();
  readonly #rate = steadyRate();
  readonly #backoff = new Backoff();
  readonly #log: OutageLog;
  /** Runs that were given up, and said to be. */
  readonly #givenUp = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #hasTurn = false;
  #lookedUpTo: string | undefined = isoTime(Date.now());
  #lastSurvey = 0;
  #lastWarning = 0;
  #retentionMs = 0;

  constructor(
    readonly temporal: TemporalReader,
    readonly recorder: Recorder,
    readonly place: WorkerPlace,
    readonly logger: Logger,
  ) {
    this.#log = new OutageLog(logger, 'warn');
  }

  /**
   * Runs that closed before this time have been looked at; when no look was completed yet, the time of the start.
   * Undefined while it is another process's turn.
   */
  get lookedUpTo(): string | undefined {
    return this.#lookedUpTo;
  }

  start(): void {
    this.#looking = this.look().finally(() => {
      this.#looking = undefined;
      if (this.#isStopping) return;
      const lookMs = this.recorder.store?.pace.lookMs ?? 0;
      this.#timer = setTimeout(() => this.start(), Math.max(EVERY_MS, lookMs));
      this.#timer.unref();
    });
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref());
    await Promise.race([this.#looking, timeout]);
    // Nobody waits for it: without it, the turn is over by itself a little later.
    if (this.#hasTurn) void this.#takeTurn(0).catch(() => undefined);
  }

  /** One look, if it is this process's turn. */
  async look(): Promise<void> {
    let keeping: NodeJS.Timeout | undefined;
    try {
      if (!this.recorder.store) return await this.#warnWhileDown();
      const turn = await this.#takeTurn(TURN_MS);
      this.#hasTurn = turn !== undefined;
      // A long look keeps its turn.
      keeping = setInterval(() => void this.#takeTurn(TURN_MS).catch(() => undefined), TURN_MS / 3);
      this.#lookedUpTo = turn && (await this.#lookSince(turn.watermark));
      if (turn && Date.now() - this.#lastSurvey >= SURVEY_EVERY_MS) {
        for (const hours of AGAIN_AFTER_HOURS) await this.#lookAgain(hours);
        await this.#survey();
        this.#lastSurvey = Date.now();
      }
      this.#log.settle('Batchtrail looks for runs that no worker saw again', { ...this.place });
    } catch (error) {
      if (this.#isStopping) return;
      this.#log.complain('Batchtrail could not look for runs that no worker saw; it looks again', {
        ...this.place,
        error,
      });
    } finally {
      clearInterval(keeping);
    }
  }

  #scope(work: string): string {
    return `${work} ${this.place.namespace}/${this.place.taskQueue}`.slice(0, 400);
  }

  async #takeTurn(forMs: number, scope = this.#scope(LOOKS)) {
    const turn = { scope, holder: this.#holder, forMs };
    return this.recorder.store?.transaction((tx) => tx.takeTurn(turn));
  }

  async #advance(scope: string, watermark: string): Promise<void> {
    await this.recorder.store?.transaction((tx) => tx.advance(scope, watermark));
  }

  /** Answers up to when it has looked. */
  async #lookSince(watermark: string): Promise<string> {
    const began = isoTime(Date.now());
    const since = isoTime(Date.parse(watermark) - OVERLAP_MS);
    const { latest = watermark, heldBy } = await this.#addMissing(`CloseTime >= ${quoted(since)}`);
    const next = heldBy !== undefined && heldBy < latest ? heldBy : latest;
    if (next > watermark) await this.#advance(this.#scope(LOOKS), next);
    return heldBy ?? began;
  }

  /** At what visibility did not show in time. Each run is listed once more by this, however long ago the others ended. */
  async #lookAgain(hours: number): Promise<void> {
    const scope = this.#scope(`look again after ${hours} h`);
    // Who has the turn for the looks has it for these, too: this only asks how far they have come.
    const turn = await this.#takeTurn(0, scope);
    const until = isoTime(Date.now() - hours * HOUR_MS);
    if (!turn || turn.watermark >= until) return;
    const { heldBy } = await this.#addMissing(
      `CloseTime >= ${quoted(turn.watermark)} AND CloseTime < ${quoted(until)}`,
    );
    await this.#advance(scope, heldBy ?? until);
  }

  /** Answers the latest end among those that match, and the earliest of those that are to be tried again. */
  async #addMissing(closed: string): Promise<{ latest: string | undefined; heldBy: string | undefined }> {
    const { signal } = this.#stopping;
    signal.throwIfAborted();
    const query = `TaskQueue = ${quoted(this.place.taskQueue)} AND ${closed}`;
    const options = { rate: this.#rate, backoff: this.#backoff, signal };
    const { added, latest, failed } = await addMissing(this.temporal, this.recorder, query, options);
    if (added > 0) {
      this.logger.info('Batchtrail made the batches of runs that no worker saw', { ...this.place, added });
    }
    return { latest, heldBy: this.#stillHoped(failed)[0]?.EndTime };
  }

  /**
   * The watermark stops before runs that failed, so that whoever has the turn next finds them, too: for as long as there
   * is hope, because until then every look lists what closed since. Those that end first come first.
   */
  #stillHoped(failed: readonly ClosedRun[]): ClosedRun[] {
    const hopeless = failed.filter(({ RunID }) => this.#backoff.isHopeless(RunID));
    for (const { WorkflowID, RunID } of hopeless) {
      if (this.#givenUp.has(RunID)) continue;
      this.logger.error(
        `A run that no worker saw has no batch, and Batchtrail stops trying. To try again: batchtrail backfill --since <its start> --query "RunId = '${RunID}'"`,
        { WorkflowID, RunID },
      );
      this.#givenUp.add(RunID);
    }
    return failed
      .filter(({ RunID }) => !this.#givenUp.has(RunID))
      .sort((a, b) => a.EndTime.localeCompare(b.EndTime));
  }

  async #survey(): Promise<void> {
    this.#retentionMs = await this.temporal.retentionMs();
    const agingBefore = this.#agingBefore();
    const { signal } = this.#stopping;
    const { aging, oldest } = await survey(this.temporal, this.recorder, this.#rate, { agingBefore, signal });
    // What Temporal erases can't be proven any more.
    if (aging > 0) {
      this.#warn('Runs are not certified yet, and Temporal erases their histories soon', {
        ...{ runs: aging, oldest: oldest?.EndTime },
        ...{ LogID: oldest?.LogID, WorkflowID: oldest?.WorkflowID, RunID: oldest?.RunID },
      });
    }
  }

  /** Nobody can tell which runs wait for a store that is down, but how long they may. */
  async #warnWhileDown(): Promise<void> {
    this.#retentionMs ||= await this.temporal.retentionMs();
    if (this.#lookedUpTo === undefined || this.#lookedUpTo >= this.#agingBefore()) return;
    this.#warn('The audit store is down, and Temporal soon erases the histories of runs that wait for it', {
      since: this.#lookedUpTo,
    });
  }

  #agingBefore(): string {
    return this.#retentionMs === 0 ? '' : isoTime(Date.now() - this.#retentionMs * RETENTION_WARNING);
  }

  #warn(message: string, facts: object): void {
    if (Date.now() - this.#lastWarning < WARN_EVERY_MS) return;
    this.#lastWarning = Date.now();
    this.logger.warn(message, { ...this.place, retentionMs: this.#retentionMs, ...facts });
  }
}
