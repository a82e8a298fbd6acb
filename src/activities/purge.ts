/** The activities of a purge. */
import { batchStep } from '../audit/batchScope.js';
import { purge } from '../audit/purge.js';
import type { PurgeActivities } from '../domain/purge.js';
import type { AuditReader, AuditStore } from '../engines/contract.js';
import type { Beat } from './beating.js';
import { beating } from './beating.js';
import { removeStaged } from './cleanStaging.js';
import type { Connections } from './connections.js';
import { connectionsThat, withPlace } from './connections.js';
import { batchFolder } from './staged.js';

/** The audit as a worker has it. */
export interface OwnAudit {
  openReader(): Promise<AuditReader>;
  /** Undefined while it takes no changes. */
  store(): AuditStore | undefined;
}

/** A step purges for so long. One that is lost costs nothing: what it has purged is gone. */
const STEP_MS = 5 * 60_000;

export function purgeActivities(connections: Connections, audit: OwnAudit): PurgeActivities {
  return {
    purgeBatches: ({ before, keepFailed, keepOpen, purgedBefore, after }) =>
      beating(async ({ signal, report }) => {
        const step = batchStep();
        const store = needed(audit);
        const reader = await audit.openReader();
        try {
          const found = await purge(reader, store, step.id, {
            ...{ before, keepFailed, keepOpen, after, signal, until: Date.now() + STEP_MS },
            onProgress: (batches) => report({ batches: purgedBefore + batches }),
          });
          for (const text of found.altered) step.log('kept', { status: 'warning', message: text });
          // With what an earlier attempt has purged.
          const rowsProcessed = (await reader.countPurged(step.id)) - purgedBefore;
          step.rows({ processed: rowsProcessed });
          step.message(`${rowsProcessed} batches purged, which ended before ${before}`);
          return { rowsProcessed, after: found.after };
        } finally {
          await reader.close();
        }
      }),

    purgeStaging: () =>
      beating(async (beat) => {
        const gone = (logIDs: readonly number[]): Promise<number[]> => notThere(needed(audit), logIDs);
        const objects = await removeObjects(connections, beat, gone);
        const rows = await removeRows(connections, beat, gone);
        batchStep().message(`${objects} staged objects and ${rows} staging rows removed`);
        return { objects, rows };
      }),
  };
}

function needed(audit: OwnAudit): AuditStore {
  const store = audit.store();
  if (!store) throw new Error('The audit store does not take changes now. The step is tried again');
  return store;
}

/** What a batch has staged it has staged after its row was there: where there is none, it was purged. */
async function notThere(store: AuditStore, logIDs: readonly number[]): Promise<number[]> {
  const batches = await store.transaction((tx) => tx.findBatches(logIDs));
  const there = new Set(batches.map(({ LogID }) => LogID));
  return logIDs.filter((logID) => !there.has(logID));
}

type Gone = (logIDs: readonly number[]) => Promise<number[]>;

async function removeObjects(connections: Connections, beat: Beat, gone: Gone): Promise<number> {
  const { storeID } = batchStep();
  let removed = 0;
  for (const name of await connectionsThat(connections, 'openStaging')) {
    removed += await withPlace(connections, { role: 'openStaging', name, signal: beat.signal }, (area) =>
      removeStaged(area, beat, async (folders) => {
        const logIDs = folders.map((folder) => Number(folder.slice(storeID.length + 1)));
        return (await gone(logIDs.filter(Number.isSafeInteger))).map((id) => batchFolder({ storeID, id }));
      }),
    );
  }
  return removed;
}

async function removeRows(connections: Connections, { signal, report }: Beat, gone: Gone): Promise<number> {
  const { storeID } = batchStep();
  let removed = 0;
  for (const name of await connectionsThat(connections, 'openWarehouse')) {
    await withPlace(connections, { role: 'openWarehouse', name, signal }, async (warehouse) => {
      for (const logID of await gone(await warehouse.staged(storeID))) {
        signal.throwIfAborted();
        removed += await warehouse.unstage({ storeID, logID });
        report({ rows: removed });
      }
    });
  }
  return removed;
}
