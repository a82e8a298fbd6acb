import type { PipelineLog } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';
import { inGroups } from './inGroups.js';

const AT_ONCE = 500;

export const LINKS = ['PreviousLogID', 'ParentLogID', 'ReplayOfLogID'] as const;
export type Link = (typeof LINKS)[number];

/** The LogIDs of what batches that are open, or may still become so, go back to by these links, and of what those do. */
export async function openRelatives(reader: AuditReader, links: readonly Link[]): Promise<Set<number>> {
  const linksOf = (batches: readonly PipelineLog[]): number[] =>
    batches.flatMap((batch) => links.map((link) => batch[link])).filter((logID) => logID !== null);
  const found = new Set<number>();
  let next = linksOf([
    ...(await reader.batches({ status: 'Running' })),
    ...(await reader.batches({ open: true })),
  ]);
  while (next.length > 0) {
    const isNew = [...new Set(next)].filter((logID) => !found.has(logID));
    for (const logID of isNew) found.add(logID);
    next = [];
    for (const some of inGroups(isNew, AT_ONCE)) {
      next.push(...linksOf((await reader.records(some)).map(({ batch }) => batch)));
    }
  }
  return found;
}
