/** Activities that do nothing but be audited, as many at once as asked, and the floor below them. */
import { performance } from 'node:perf_hooks';
import { eventID } from '../../src/audit/eventID.js';
import type { Recorder } from '../../src/audit/recorder.js';
import type { BatchRef, PipelineEvent } from '../../src/domain/model.js';
import { NO_DETAILS } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';
import type { Floor } from './floor.js';

export interface Figures {
  readonly eventsPerSecond: number;
  /** How long an activity waits until its end is durable; for the floor, how long a commit takes. */
  readonly p50: number;
  readonly p95: number;
}

export async function measureRecorder(
  recorder: Recorder,
  batch: BatchRef,
  atOnce: number,
  seconds: number,
): Promise<Figures> {
  const waits: number[] = [];
  const began = performance.now();
  const deadline = began + seconds * 1_000;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() < deadline) {
        const [start, end] = attempt(batch);
        const started = recorder.record([start]);
        const asked = performance.now();
        await Promise.all([started, recorder.record([end])]);
        waits.push(performance.now() - asked);
      }
    }),
  );
  return figures(waits, waits.length * 2, began);
}

/** Commits one after the other, each with what so many activities would bring. */
export async function measureFloor(
  floor: Floor,
  batch: BatchRef,
  atOnce: number,
  seconds: number,
): Promise<Figures> {
  const waits: number[] = [];
  const began = performance.now();
  while (performance.now() - began < seconds * 1_000) {
    const events = Array.from({ length: atOnce }, () => attempt(batch)).flat();
    const asked = performance.now();
    await floor.insert(events);
    waits.push(performance.now() - asked);
  }
  return figures(waits, waits.length * atOnce * 2, began);
}

function figures(waits: number[], events: number, began: number): Figures {
  const eventsPerSecond = events / ((performance.now() - began) / 1_000);
  waits.sort((a, b) => a - b);
  return { eventsPerSecond, p50: quantile(waits, 0.5), p95: quantile(waits, 0.95) };
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

let activities = 0;

function attempt({ LogID, RunID }: BatchRef): [start: PipelineEvent, end: PipelineEvent] {
  const ActivityID = String(++activities);
  const event = (slot: 'start' | 'end', EventType: PipelineEvent['EventType']): PipelineEvent => ({
    ...NO_DETAILS,
    EventID: eventID(RunID, ActivityID, 1, slot),
    LogID,
    RunID,
    StepName: 'loadOrders',
    StepSequenceNum: activities,
    ActivityID,
    Attempt: 1,
    EventType,
    EventTime: isoTime(Date.now()),
    DurationMs: slot === 'end' ? 0 : null,
    Worker: '4711@etl-worker-1',
    Witness: 'live',
  });
  return [event('start', 'start'), event('end', 'success')];
}
