/** Batches as workers write them: opened, their steps recorded, closed by their history, and all of it waited for. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recorder } from '../../src/audit/recorder.js';
import { isoTime } from '../../src/domain/time.js';
import { event, runHistory, runStart } from '../../test/contract/rows.js';

const AT_ONCE = 8;
/** What a step takes beside its audit. */
const STEP_MS = 20;

/** Until the signal: how long each call waited until it was durable, in milliseconds. */
export async function writeBatches(recorder: Recorder, signal: AbortSignal): Promise<number[]> {
  const waits: number[] = [];
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work;
    waits.push(performance.now() - began);
    return result;
  };
  const write = async (): Promise<void> => {
    while (!signal.aborted) {
      const start = runStart({ StartTime: isoTime(Date.now()) });
      const batch = await timed(recorder.open(start));
      for (const activity of ['1', '2']) {
        await delay(STEP_MS);
        const step = { ActivityID: activity, EventTime: isoTime(Date.now()) };
        await timed(recorder.record([event(batch, { ...step, EventType: 'start' }), event(batch, step)]));
      }
      await timed(recorder.settle(runHistory(start, { time: isoTime(Date.now()) })));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, write));
  return waits;
}
