import type { PipelineEvent, PipelineLog, Resolution } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { eventID } from './eventID.js';

/** A failed batch that is no longer open, or open again, says so in its timeline. That it was open, its end says. */
export function resolutionEvent(
  { LogID, RunID }: Pick<PipelineLog, 'LogID' | 'RunID'>,
  resolution: Resolution,
  byLogID: number | null,
  now: string,
  remark?: string,
): PipelineEvent {
  const runID = RunID ?? '';
  const message = messageOf(resolution, byLogID, remark);
  return {
    ...NO_DETAILS,
    EventID: eventID(runID, null, null, 'resolution', [message]),
    LogID,
    RunID: runID,
    StepName: 'resolution',
    StepSequenceNum: null,
    ActivityID: null,
    Attempt: null,
    EventType: 'info',
    EventTime: now,
    Message: message,
    Witness: 'history',
  };
}

function messageOf(resolution: Resolution, byLogID: number | null, remark?: string): string {
  if (resolution === 'open') return 'open again';
  if (remark !== undefined) return `${resolution} ${remark}`;
  return byLogID === null ? resolution : `${resolution} by batch ${byLogID}`;
}
