/** Removes staged objects that nobody needs any more. */
import { batchStep } from '../audit/batchScope.js';
import type { Connections } from './connections.js';
import { beating } from './beating.js';
import { withPlace } from './connections.js';
import { batchFolder } from './staged.js';

/** What a failed batch left behind is there for a while to be looked at. */
const KEPT_MS = 7 * 24 * 60 * 60_000;
/** Between two heartbeats with progress. */
const GROUP = 500;

export function cleanStaging(
  connections: Connections,
  { staging, own }: { staging: string; own: boolean },
): Promise<{ removed: number }> {
  return beating(({ signal, report }) =>
    withPlace(connections, { role: 'openStaging', name: staging, signal }, async (area) => {
      const step = batchStep();
      const oldest = Date.now() - KEPT_MS;
      // Other audit stores may stage in the same place, and their objects are theirs.
      const objects = await area.list(step.storeID);
      const isOwn = (name: string): boolean => own && name.startsWith(`${batchFolder(step)}/`);
      const names = objects
        .filter(({ name, changedAt }) => isOwn(name) || changedAt.getTime() < oldest)
        .map(({ name }) => name);
      for (let from = 0; from < names.length; from += GROUP) {
        signal.throwIfAborted();
        await area.remove(names.slice(from, from + GROUP));
        report({ removed: Math.min(names.length, from + GROUP) });
      }
      step.message(`${names.length} staged objects removed`);
      return { removed: names.length };
    }),
  );
}
