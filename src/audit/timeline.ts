import { isAttemptEnd, lostEnd } from '../domain/merge.js';
import type { BatchRecord, PipelineEvent } from '../domain/model.js';
import { eventID } from './eventID.js';
import type { RunEnd } from './history.js';

/** The batch's events by id, and which of them changed. */
export class Timeline {
  readonly #events: Map<string, PipelineEvent>;
  readonly #changed = new Set<string>();
  readonly #confirmed = new Set<string>();
  readonly #lastSeen = new Map<string, number>();
  /** The attempt whose end history tells, by ActivityID. */
  readonly decisive = new Map<string, number>();

  constructor(
    readonly record: BatchRecord,
    readonly runID: string,
    readonly now: string,
  ) {
    this.#events = new Map(record.events.map((event) => [event.EventID, event]));
    for (const { RunID, ActivityID, EventType, Attempt } of record.events) {
      if (RunID !== runID || ActivityID === null || EventType !== 'start') continue;
      this.#lastSeen.set(ActivityID, Math.max(Attempt ?? 1, this.lastAttemptSeen(ActivityID)));
    }
  }

  all(): PipelineEvent[] {
    return [...this.#events.values()];
  }

  ofRun(): PipelineEvent[] {
    return this.all().filter(({ RunID }) => RunID === this.runID);
  }

  endedInOtherRun(activityID: string): boolean {
    return this.record.events.some(
      (event) => event.RunID !== this.runID && event.ActivityID === activityID && isAttemptEnd(event),
    );
  }

  changed(): PipelineEvent[] {
    return [...this.#changed].map((id) => this.#events.get(id)!);
  }

  id(activityID: string | null, attempt: number | null, slot: 'start' | 'end'): string {
    return eventID(this.runID, activityID, attempt, slot);
  }

  get(id: string): PipelineEvent | undefined {
    return this.#events.get(id);
  }

  put(event: PipelineEvent): void {
    this.#events.set(event.EventID, event);
    this.#changed.add(event.EventID);
  }

  /** History agrees with what a worker saw. */
  confirm({ EventID, Witness }: PipelineEvent): void {
    if (Witness === 'live') this.#confirmed.add(EventID);
  }

  confirmed(): string[] {
    return [...this.#confirmed].filter((id) => !this.#changed.has(id));
  }

  lastAttemptSeen(activityID: string): number {
    return this.#lastSeen.get(activityID) ?? 0;
  }

  /** Attempts that still run somewhere, or died with their worker, when the run is over. */
  endWhatIsOpen(end: RunEnd): void {
    for (const start of this.ofRun()) {
      if (start.EventType !== 'start') continue;
      const endID = this.id(start.ActivityID, start.Attempt, 'end');
      if (this.get(endID)) continue;
      const at = start.EventTime > end.time ? start.EventTime : end.time;
      this.put(
        lostEnd(
          start,
          endID,
          at,
          'the run ended, and nobody had reported the end of this attempt',
          'history',
        ),
      );
    }
  }
}
