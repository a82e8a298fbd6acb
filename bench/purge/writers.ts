/** Batches as workers write them: opened, their steps recorded, closed by their history, and all of it waited for. */
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { eventID } from '../../src/audit/eventID.js';
import type { Recorder } from '../../src/audit/recorder.js';
import type { BatchRef, PipelineEvent, RunStart } from '../../src/domain/model.js';
import { NO_DETAILS } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';

const AT_ONCE = 8;
/** What a step takes beside its audit. */
const STEP_MS = 20;

/** Until the signal: how long each call waited until it was durable, in milliseconds, sorted. */
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
      const start = runStart();
      const batch = await timed(recorder.open(start));
      for (const activity of ['1', '2']) {
        await delay(STEP_MS);
        await timed(recorder.record([event(batch, activity, 'start'), event(batch, activity, 'end')]));
      }
      await timed(
        recorder.settle({
          start,
          end: {
            status: 'Success',
            time: isoTime(Date.now()),
            error: undefined,
            counts: {},
            byReset: false,
            willRetry: false,
          },
          activities: [],
          lastEventID: 11,
          baseRunID: null,
          historyHash: 'hash',
          redone: [],
          input: null,
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, write));
  return waits.sort((a, b) => a - b);
}

function runStart(): RunStart {
  const RunID = randomUUID();
  return {
    Namespace: 'default',
    WorkflowID: `workflow of ${RunID}`,
    RunID,
    OriginalRunID: RunID,
    PipelineName: 'written meanwhile',
    WorkflowType: 'load',
    TaskQueue: 'etl',
    StartTime: isoTime(Date.now()),
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
  };
}

function event({ LogID, RunID }: BatchRef, ActivityID: string, slot: 'start' | 'end'): PipelineEvent {
  return {
    ...NO_DETAILS,
    EventID: eventID(RunID, ActivityID, 1, slot),
    LogID,
    RunID,
    StepName: 'load',
    StepSequenceNum: Number(ActivityID),
    ActivityID,
    Attempt: 1,
    EventType: slot === 'start' ? 'start' : 'success',
    EventTime: isoTime(Date.now()),
    Worker: '4711@etl-worker-1',
    Witness: 'live',
  };
}
