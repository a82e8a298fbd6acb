import type { PipelineEvent, PipelineLog, Resolution } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { eventID } from './eventID.js';

/** A failed batch that is no longer open says so in its timeline. That it was open, its end says. */
export function resolutionEvent(
  { LogID, RunID }: Pick<PipelineLog, 'LogID' | 'RunID'>,
  resolution: Exclude<Resolution, 'open'>,
  byLogID: number | null,
  now: string,
): PipelineEvent {
  const runID = RunID ?? '';
  return {
    ...NO_DETAILS,
    EventID: eventID(runID, null, null, 'resolution', [resolution, String(byLogID)]),
    LogID,
    RunID: runID,
    StepName: 'resolution',
    StepSequenceNum: null,
    ActivityID: null,
    Attempt: null,
    EventType: 'info',
    EventTime: now,
    Message: byLogID === null ? resolution : `${resolution} by batch ${byLogID}`,
    Witness: 'history',
  };
}
