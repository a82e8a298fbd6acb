/** Removes staged objects that nobody needs any more. */
import { Context } from '@temporalio/activity';
import { batchStep } from '../audit/batchScope.js';
import type { Staging } from '../engines/transferContract.js';
import type { Beat } from './beating.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
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
  return beating((beat) =>
    withPlace(connections, { role: 'openStaging', name: staging, signal: beat.signal }, async (area) => {
      const step = batchStep();
      const removed = await removeStaged(area, beat, async () => (own ? [batchFolder(step)] : []));
      step.message(`${removed} staged objects removed`);
      return { removed };
    }),
  );
}

/** Removes what is too old, and all that is in the folders which `useless` chooses from those that are there. */
export async function removeStaged(
  area: Staging,
  { signal, report }: Beat,
  useless: (folders: readonly string[]) => Promise<readonly string[]>,
): Promise<number> {
  // By Temporal's clock: one of this machine that is ahead would make old what batches at work have staged.
  const oldest = Context.current().info.currentAttemptScheduledTimestampMs - KEPT_MS;
  // Other audit stores may stage in the same place, and their objects are theirs.
  const objects = await area.list(batchStep().storeID);
  const gone = new Set(await useless([...new Set(objects.map(({ name }) => folderOf(name)))]));
  const names = objects
    .filter(({ name, changedAt }) => gone.has(folderOf(name)) || changedAt.getTime() < oldest)
    .map(({ name }) => name);
  for (let from = 0; from < names.length; from += GROUP) {
    signal.throwIfAborted();
    await area.remove(names.slice(from, from + GROUP));
    report({ removed: Math.min(names.length, from + GROUP) });
  }
  return names.length;
}

/** The batch's: `<store>/<batch>`. */
function folderOf(name: string): string {
  return name.split('/', 2).join('/');
}
