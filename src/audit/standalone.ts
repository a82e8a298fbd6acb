/** An activity that no workflow started is a batch of its own, and its last attempt's end is the batch's end. */
import { createHash } from 'node:crypto';
import type { Info } from '@temporalio/activity';
import type { BatchStatus, RunStart } from '../domain/model.js';
import { isoTime } from '../domain/time.js';
import type { ErrorText } from './describeError.js';
import type { Recorder } from './recorder.js';

export function isStandalone(info: Info): boolean {
  return info.workflowExecution === undefined;
}

export function standaloneStart(info: Info): RunStart {
  const runID = info.activityRunId ?? derivedRunID(info);
  const StartTime = isoTime(info.scheduledTimestampMs);
  return {
    Namespace: info.namespace,
    WorkflowID: info.activityId,
    RunID: runID,
    OriginalRunID: runID,
    PipelineName: info.activityType,
    WorkflowType: null,
    TaskQueue: info.taskQueue,
    StartTime,
    RunStartTime: StartTime,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
  };
}

/** The same for all attempts of one activity. */
function derivedRunID(info: Info): string {
  const identity = JSON.stringify([info.namespace, info.activityId, info.scheduledTimestampMs]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 36);
}

export async function closeStandalone(
  recorder: Recorder,
  info: Info,
  status: BatchStatus,
  error: ErrorText | undefined,
): Promise<void> {
  const start = standaloneStart(info);
  const time = isoTime(Date.now());
  const end = { status, time, error, counts: {}, byReset: false, willRetry: false };
  await recorder.settleForSure({
    start,
    end,
    activities: [],
    lastEventID: null,
    baseRunID: null,
    redone: [],
    historyHash: null,
    input: null,
  });
}
