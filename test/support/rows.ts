/** The audit's rows, filled with what a test does not care about. */
import { randomUUID } from 'node:crypto';
import { eventID } from '../../src/audit/eventID.js';
import { hashed } from '../../src/audit/proof.js';
import { isAttemptEnd } from '../../src/domain/merge.js';
import type { BatchRef, PipelineEvent, RunStart } from '../../src/domain/model.js';
import { NO_DETAILS } from '../../src/domain/model.js';

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
    RunStartTime: more.StartTime ?? NOW,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
    ...more,
  };
}

/** An event of the batch's run; its id and its hash are derived as the audit derives them. */
export function event(
  { LogID, RunID }: Pick<BatchRef, 'LogID' | 'RunID'>,
  more: Partial<PipelineEvent> = {},
): PipelineEvent {
  const row = {
    ...NO_DETAILS,
    LogID,
    RunID,
    StepName: 'step',
    StepSequenceNum: 1,
    ActivityID: '1',
    Attempt: 1,
    EventType: 'success' as const,
    EventTime: NOW,
    DurationMs: 5,
    Worker: 'worker',
    Witness: 'live' as const,
    ...more,
  };
  const slot = row.EventType === 'start' ? 'start' : isAttemptEnd(row) ? 'end' : 'log:1';
  return hashed({ EventID: eventID(row.RunID, row.ActivityID, row.Attempt, slot), ...row });
}
