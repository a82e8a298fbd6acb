import { workflowInfo } from '@temporalio/workflow';
import { replayMark } from '../domain/replay.js';

/** The LogIDs of the batches that this run does again. */
export function replacedBatches(): readonly number[] {
  return replayMark(workflowInfo().memo)?.batches ?? [];
}
