import type { PipelineLog } from '../domain/model.js';
import type { OpenFilter } from '../domain/replay.js';
import type { AuditReader } from '../engines/contract.js';

const DEFAULT_LIMIT = 100;

/**
 * The open batches that are to be replayed, the oldest first: of a batch and its replays that failed, too, the last; of a
 * batch and its children, or their replays, the parent, which starts them again.
 */
export async function openBatches(
  reader: AuditReader,
  { since, pipeline, error, limit = DEFAULT_LIMIT }: OpenFilter,
): Promise<PipelineLog[]> {
  const open = await reader.batches({ open: true, since, pipeline, text: error });
  const replayed = new Set(open.map(({ ReplayOfLogID }) => ReplayOfLogID));
  const byID = new Map<number | null, PipelineLog>(open.map((batch) => [batch.LogID, batch]));
  const hasOpenParent = ({ ParentLogID, ReplayOfLogID }: PipelineLog): boolean => {
    const before = byID.get(ReplayOfLogID);
    return byID.has(ParentLogID) || (before !== undefined && hasOpenParent(before));
  };
  return open
    .filter((batch) => !replayed.has(batch.LogID) && !hasOpenParent(batch) && !isTriedAgain(batch))
    .reverse()
    .slice(0, limit);
}

/** The workflow's own retry policy went on in another batch. */
export function isTriedAgain({ Status, RetryStatus }: Pick<PipelineLog, 'Status' | 'RetryStatus'>): boolean {
  return RetryStatus === 'retrying' && Status !== 'Running';
}
