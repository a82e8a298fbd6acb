/** One attempt of an activity: what `batch()` gives to user code, and the events that come of it. */
import type { Info } from '@temporalio/activity';
import { reportedCounts, returnedCounts } from '../domain/counts.js';
import type { ReportedCounts } from '../domain/counts.js';
import type { BatchRef, Counts, PipelineEvent } from '../domain/model.js';
import { NO_COUNTS } from '../domain/model.js';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import type { AttemptEndFacts } from './attemptEnd.js';
import type { Batch, LogDetails } from './batchScope.js';
import { eventID } from './eventID.js';
import type { Slot } from './eventID.js';

export class StepAttempt implements Batch {
  readonly #startedAt = Date.now();
  #counts: Partial<Counts> = {};
  #message: string | null = null;
  #lines = 0;
  #written: Promise<void> = Promise.resolve();

  constructor(
    readonly ref: BatchRef,
    readonly info: Info,
    readonly worker: string,
    readonly write: (events: PipelineEvent[]) => Promise<void>,
  ) {}

  get id(): number {
    return this.ref.LogID;
  }

  get pipeline(): string {
    return this.ref.PipelineName;
  }

  get attempt(): number {
    return this.info.attempt;
  }

  rows(counts: ReportedCounts): void {
    this.#counts = { ...this.#counts, ...reportedCounts(counts) };
  }

  message(text: string): void {
    this.#message = storable(text);
  }

  log(step: string, { message, status = 'info', sequence }: LogDetails = {}): void {
    const event = {
      ...this.#event(`log:${++this.#lines}`, status),
      StepName: storable(step),
      StepSequenceNum: sequence ?? null,
      Message: message === undefined ? null : storable(message),
    };
    // Written in order before the attempt's end, which the caller waits for.
    this.#written = this.write([event]);
    this.#written.catch(() => undefined);
  }

  /** Waits until the log lines are durable. */
  flush(): Promise<void> {
    return this.#written;
  }

  start(): PipelineEvent {
    return { ...this.#event('start', 'start'), EventTime: isoTime(this.#startedAt) };
  }

  success(result: unknown): PipelineEvent {
    return {
      ...this.#end('success'),
      ...returnedCounts(result),
      ...this.#counts,
      RetryStatus: this.attempt > 1 ? 'recovered' : null,
    };
  }

  failed({ type, error, retryStatus, nextRetryAt }: AttemptEndFacts): PipelineEvent {
    return {
      ...this.#end(type),
      ...this.#counts,
      ErrorType: error.type,
      ErrorMessage: error.message,
      RetryStatus: retryStatus,
      NextRetryTime: nextRetryAt === null ? null : isoTime(nextRetryAt),
    };
  }

  #end(type: PipelineEvent['EventType']): PipelineEvent {
    return {
      ...this.#event('end', type),
      DurationMs: Date.now() - this.#startedAt,
      Message: this.#message,
    };
  }

  #event(slot: Slot, type: PipelineEvent['EventType']): PipelineEvent {
    const { activityId, activityType, attempt } = this.info;
    return {
      ...NO_COUNTS,
      EventID: eventID(this.ref.RunID, activityId, attempt, slot),
      LogID: this.ref.LogID,
      RunID: this.ref.RunID,
      StepName: activityType,
      // The SDK numbers activities in the order in which the workflow schedules them.
      StepSequenceNum: /^\d{1,9}$/.test(activityId) ? Number(activityId) : null,
      ActivityID: activityId,
      Attempt: attempt,
      EventType: type,
      EventTime: isoTime(Date.now()),
      DurationMs: null,
      Message: null,
      ErrorType: null,
      ErrorMessage: null,
      RetryStatus: null,
      NextRetryTime: null,
      AlertTriggered: false,
      Worker: this.worker,
      Witness: 'live',
      EventHash: null,
    };
  }
}
