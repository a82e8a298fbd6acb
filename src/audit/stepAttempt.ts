/** One attempt of an activity: what `batch()` gives to user code, and the events that come of it. */
import type { Info } from '@temporalio/activity';
import { reportedCounts, returnedCounts } from '../domain/counts.js';
import type { ReportedCounts } from '../domain/counts.js';
import type { BatchRef, Counts, PipelineEvent } from '../domain/model.js';
import { NO_COUNTS } from '../domain/model.js';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import { checkLogLine } from '../domain/logLine.js';
import { isNumbered, stepID } from '../domain/stepID.js';
import type { AttemptEndFacts } from './attemptEnd.js';
import type { LogDetails } from '../domain/logLine.js';
import type { Batch } from './batchScope.js';
import { eventID } from './eventID.js';
import type { Slot } from './eventID.js';

export class StepAttempt implements Batch {
  readonly #startedAt = Date.now();
  readonly #activityID: string;
  #counts: Partial<Counts> = {};
  #message: string | null = null;
  #lines = 0;
  #written: Promise<void> = Promise.resolve();

  constructor(
    readonly ref: BatchRef,
    readonly info: Info,
    readonly worker: string,
    readonly write: (events: PipelineEvent[]) => Promise<void>,
  ) {
    // A local activity that is done again after its worker died is scheduled anew, and is the same one.
    this.#activityID = info.isLocal ? info.activityId : stepID(info.activityId, info.scheduledTimestampMs);
  }

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

  log(step: string, details: LogDetails = {}): void {
    const { message, status = 'info', sequence } = checkLogLine('batch().log', step, details);
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
    const ActivityID = this.#activityID;
    return {
      ...NO_COUNTS,
      EventID: eventID(this.ref.RunID, ActivityID, attempt, slot),
      LogID: this.ref.LogID,
      RunID: this.ref.RunID,
      StepName: activityType,
      // The SDK numbers activities in the order in which the workflow schedules them.
      StepSequenceNum: isNumbered(activityId) ? Number(activityId) : null,
      ActivityID,
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
