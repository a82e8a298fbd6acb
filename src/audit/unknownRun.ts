/** Of a run that Temporal has no history of: whether it has erased it by age, or it is the wrong place to ask. */
import type { PipelineRun } from '../domain/model.js';

type Ended = Pick<PipelineRun, 'RunID' | 'EndTime'>;

/** A namespace without a retention keeps everything. */
export function wasErased({ EndTime }: Pick<Ended, 'EndTime'>, retentionMs: number): boolean {
  return EndTime !== null && retentionMs > 0 && Date.parse(EndTime) + retentionMs < Date.now();
}

/** Why that is wrong, where it was not erased. */
export function unknownRun({ RunID, EndTime }: Ended, namespace: string): string {
  const state =
    EndTime === null
      ? 'which has no end here'
      : `which ended at ${EndTime}, so recently that its history can't have been erased by age`;
  return `Temporal does not know run ${RunID}, ${state}. Check TEMPORAL_ADDRESS and the namespace ${namespace}; or somebody deleted the workflow`;
}
