import type { PipelineLog } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';
import { inGroups } from './inGroups.js';

const AT_ONCE = 500;

/** The LogIDs of what open batches go back to: what they continue, replay or are children of, and what those do. */
export async function openRelatives(reader: AuditReader): Promise<Set<number>> {
  const found = new Set<number>();
  let next = linksOf(await reader.batches({ open: true }));
  while (next.length > 0) {
    const isNew = next.filter((logID) => !found.has(logID));
    for (const logID of isNew) found.add(logID);
    next = [];
    for (const some of inGroups(isNew, AT_ONCE)) {
      next.push(...linksOf((await reader.records(some)).map(({ batch }) => batch)));
    }
  }
  return found;
}

function linksOf(batches: readonly PipelineLog[]): number[] {
  return batches
    .flatMap(({ PreviousLogID, ParentLogID, ReplayOfLogID }) => [PreviousLogID, ParentLogID, ReplayOfLogID])
    .filter((logID) => logID !== null);
}
