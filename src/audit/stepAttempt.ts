/** One attempt of an activity: what `batch()` gives to user code, and the events that come of it. */
import type { Info } from '@temporalio/activity';
import { reportedCounts, returnedCounts } from '../domain/counts.js';
import type { ReportedCounts } from '../domain/counts.js';
import type { BatchRef, Counts, PipelineEvent } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import { checkLogLine } from '../domain/logLine.js';
import { isNumbered, stepID } from '../domain/stepID.js';
import type { AttemptEndFacts } from './attemptEnd.js';
import type { LogDetails } from '../domain/logLine.js';
import type { BatchStep } from './batchScope.js';
import { eventID } from './eventID.js';
import type { Slot } from './eventID.js';

/** Each answers when the event is durable. */
export interface EventWriter {
  now(event: PipelineEvent): Promise<void>;
  /** Together with something else, or a little later. */
  meanwhile(event: PipelineEvent): Promise<void>;
}

export class StepAttempt implements BatchStep {
  readonly #startedAt = Date.now();
  /** What all events of this attempt have in common. */
  readonly #facts: Omit<PipelineEvent, 'EventID' | 'EventType' | 'EventTime'> & {
    readonly ActivityID: string;
  };
  #counts: Partial<Counts> = {};
  #message: string | null = null;
  #lines = 0;
  #written: Promise<void> = Promise.resolve();

  constructor(
    readonly ref: BatchRef,
    readonly storeID: string,
    readonly info: Info,
    readonly worker: string,
    readonly writer: EventWriter,
  ) {
    const { activityId, activityType, attempt } = info;
    this.#facts = {
      ...NO_DETAILS,
      LogID: ref.LogID,
      RunID: ref.RunID,
      StepName: activityType,
      // The SDK numbers activities in the order in which the workflow schedules them.
      StepSequenceNum: isNumbered(activityId) ? Number(activityId) : null,
      // A local activity that is done again after its worker died is scheduled anew, and is the same one.
      ActivityID: info.isLocal ? activityId : stepID(activityId, info.scheduledTimestampMs),
      Attempt: attempt,
      Worker: worker,
      Witness: 'live',
    };
  }

  get id(): number {
    return this.ref.LogID;
  }

  get runID(): string {
    return this.ref.RunID;
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
    void this.#writeMeanwhile(event);
  }

  /** Returns when the start is durable, which user code does not wait for. */
  begin(): Promise<void> {
    return this.#writeMeanwhile({ ...this.#event('start', 'start'), EventTime: isoTime(this.#startedAt) });
  }

  /** Returns when everything about this attempt is durable. */
  success(result: unknown): Promise<void> {
    return this.#writeEnd({
      ...this.#end('success'),
      ...returnedCounts(result),
      ...this.#counts,
      RetryStatus: this.attempt > 1 ? 'recovered' : null,
    });
  }

  /** Returns when everything about this attempt is durable. */
  failed({ type, error, retryStatus, nextRetryAt }: AttemptEndFacts): Promise<void> {
    return this.#writeEnd({
      ...this.#end(type),
      ...this.#counts,
      ErrorType: error.type,
      ErrorMessage: error.message,
      RetryStatus: retryStatus,
      NextRetryTime: nextRetryAt === null ? null : isoTime(nextRetryAt),
    });
  }

  /** Returns when what was written so far is durable. */
  flush(): Promise<void> {
    return this.#written;
  }

  /** Only the attempt's end waits; what came before it is written in the meantime, or together with it. */
  #writeMeanwhile(event: PipelineEvent): Promise<void> {
    return this.#after(this.writer.meanwhile(event));
  }

  #writeEnd(event: PipelineEvent): Promise<void> {
    return this.#after(this.writer.now(event));
  }

  #after(writing: Promise<void>): Promise<void> {
    const written = Promise.all([this.#written, writing]).then(() => undefined);
    written.catch(() => undefined);
    return (this.#written = written);
  }

  #end(type: PipelineEvent['EventType']): PipelineEvent {
    return {
      ...this.#event('end', type),
      DurationMs: Date.now() - this.#startedAt,
      Message: this.#message,
    };
  }

  #event(slot: Slot, EventType: PipelineEvent['EventType']): PipelineEvent {
    return {
      ...this.#facts,
      EventID: eventID(this.ref.RunID, this.#facts.ActivityID, this.attempt, slot),
      EventType,
      EventTime: isoTime(Date.now()),
    };
  }
}
