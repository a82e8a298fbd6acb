/** The worker's side of the sinks: the worker awaits each call before it completes the workflow task. */
import type { InjectedSinks } from '@temporalio/worker';
import type { WorkflowInfo } from '@temporalio/workflow';
import { workerName } from '../audit/auditor.js';
import type { Auditor } from '../audit/auditor.js';
import { eventID } from '../audit/eventID.js';
import { instant, text } from '../audit/history.js';
import type { PipelineEvent, RunStart } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { storable } from '../domain/text.js';
import { SINK } from './protocol.js';
import type { BatchtrailSinks, LogLine, RunNote } from './protocol.js';

export function auditSinks(auditor: Auditor): InjectedSinks<BatchtrailSinks> {
  // A sink that throws is only logged and its event is lost: the recorder tries again until the store takes it, or until
  // this worker shuts down. No step can begin without the row, and whoever goes on with the run makes it.
  const open = (info: WorkflowInfo, note: RunNote) =>
    auditor.recorder.open(runStart(info, note), workerName(info));
  return {
    [SINK]: {
      opened: {
        fn: async (info, note) => void (await open(info, note)),
      },
      logged: {
        fn: async (info, note, line) => {
          const { LogID } = await open(info, note);
          await auditor.recorder.record([logEvent(LogID, info.runId, line, auditor.now())]);
        },
      },
      taskFailed: {
        fn: async (info, note, message) => {
          await open(info, note);
          await auditor.recorder.noteTaskFailure(info.runId, storable(message));
        },
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
    ScheduleID: text(searchAttributes.TemporalScheduledById),
    ScheduledTime: instant(searchAttributes.TemporalScheduledStartTime),
    // In the start event only; filled in when the run is closed.
    RunByUser: null,
    previousRunID: info.continuedFromExecutionRunId ?? null,
    parentRunID: info.parent?.runId ?? null,
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
