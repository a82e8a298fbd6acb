/** Rows for the tests of this engine. Those of the contract suite come with the suite's engines, and their settings. */
import { randomUUID } from 'node:crypto';
import { eventID } from '../../src/audit/eventID.js';
import type { BatchRef, PipelineEvent, RunStart } from '../../src/domain/model.js';
import { NO_COUNTS } from '../../src/domain/model.js';

export const NOW = '2026-03-29T00:59:59.999Z';

export function runStart(more: Partial<RunStart> = {}): RunStart {
  const RunID = more.RunID ?? randomUUID();
  return {
    Namespace: 'default',
    WorkflowID: `workflow of ${RunID}`,
    RunID,
    OriginalRunID: RunID,
    PipelineName: 'Pipeline',
    WorkflowType: 'load',
    TaskQueue: 'etl',
    StartTime: NOW,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    ...more,
  };
}

/** The start or the end of an attempt. */
export function event(
  { LogID, RunID }: Pick<BatchRef, 'LogID' | 'RunID'>,
  more: Partial<PipelineEvent> = {},
): PipelineEvent {
  const row: Omit<PipelineEvent, 'EventID'> = {
    ...NO_COUNTS,
    LogID,
    RunID,
    StepName: 'step',
    StepSequenceNum: 1,
    ActivityID: '1',
    Attempt: 1,
    EventType: 'success',
    EventTime: NOW,
    DurationMs: 5,
    Message: null,
    ErrorType: null,
    ErrorMessage: null,
    RetryStatus: null,
    NextRetryTime: null,
    AlertTriggered: false,
    Worker: 'worker',
    Witness: 'live',
    EventHash: null,
    ...more,
  };
  const slot = row.EventType === 'start' ? 'start' : 'end';
  return { EventID: eventID(RunID, row.ActivityID, row.Attempt, slot), ...row };
}
