/** The worker's side of the sinks: the worker awaits each call before it completes the workflow task. */
import type { InjectedSinks } from '@temporalio/worker';
import type { WorkflowInfo } from '@temporalio/workflow';
import { workerName } from '../audit/auditor.js';
import type { Auditor } from '../audit/auditor.js';
import { Leaving } from '../audit/delivery.js';
import { eventID } from '../audit/eventID.js';
import { instant, text } from '../audit/historyEvent.js';
import type { PipelineEvent, RunStart } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { replayMark } from '../domain/replay.js';
import { storable } from '../domain/text.js';
import { isoTime } from '../domain/time.js';
import { SINK } from './protocol.js';
import type { BatchtrailSinks, LogLine, RunNote } from './protocol.js';

/** The store gives the number. */
const NOT_KNOWN = 0;

export function auditSinks(auditor: Auditor): InjectedSinks<BatchtrailSinks> {
  // A sink that throws is only logged and its event is lost: the recorder tries again until the store takes it, or until
  // this worker shuts down. Then the outbox takes what would be lost. No step can begin without the row: whoever goes on
  // with the run makes it, if it is not there yet.
  const open = async (info: WorkflowInfo, note: RunNote, line?: LogLine): Promise<void> => {
    const { recorder } = auditor;
    const start = runStart(info, note);
    const worker = workerName(info);
    // When it was said, however long the store lets it wait.
    const now = auditor.now();
    const events = (LogID: number) => (line ? [logEvent(LogID, info.runId, line, now)] : []);
    try {
      const { LogID } = await recorder.open(start, worker);
      if (line) await recorder.record(events(LogID), worker);
    } catch (error) {
      if (!(error instanceof Leaving)) throw error;
      await recorder.recordUnopened(start, events(NOT_KNOWN), worker);
    }
  };
  return {
    [SINK]: {
      opened: {
        fn: (info, note) => open(info, note),
      },
      logged: {
        fn: (info, note, line) => open(info, note, line),
      },
      taskFailed: {
        fn: (info, note, message) =>
          auditor.recorder.noteTaskFailure(runStart(info, note), storable(message), workerName(info)),
      },
      closing: {
        // Not awaited: the run closes only after this workflow task is complete.
        fn: (info) => auditor.expectClose(info.namespace, { WorkflowID: info.workflowId, RunID: info.runId }),
      },
    },
  };
}

function runStart(info: WorkflowInfo, note: RunNote): RunStart {
  const { searchAttributes } = info;
  return {
    Namespace: info.namespace,
    WorkflowID: info.workflowId,
    RunID: info.runId,
    OriginalRunID: info.originalExecutionRunId,
    PipelineName: note.pipeline,
    WorkflowType: info.workflowType,
    TaskQueue: info.taskQueue,
    StartTime: info.startTime.toISOString(),
    // After a reset, the SDK's runStartTime is that of the first task, which was taken over.
    RunStartTime: isoTime(
      info.originalExecutionRunId === info.runId ? info.startTime.getTime() : note.taskTime,
    ),
    ScheduleID: text(searchAttributes.TemporalScheduledById),
    ScheduledTime: instant(searchAttributes.TemporalScheduledStartTime),
    // In the start event only; filled in when the run is closed.
    RunByUser: null,
    previousRunID: info.continuedFromExecutionRunId ?? null,
    parentRunID: info.parent?.runId ?? null,
    replayedRunID: replayMark(info.memo)?.run ?? null,
  };
}

function logEvent(LogID: number, RunID: string, line: LogLine, now: string): PipelineEvent {
  const message = line.message === null ? null : storable(line.message);
  return {
    ...NO_DETAILS,
    EventID: eventID(RunID, null, null, `log:${line.number}`, [line.step, message ?? '']),
    LogID,
    RunID,
    StepName: storable(line.step),
    StepSequenceNum: line.sequence,
    ActivityID: null,
    Attempt: null,
    EventType: line.status,
    EventTime: now,
    Message: message,
    Witness: 'live',
  };
}
