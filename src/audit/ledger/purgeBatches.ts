/** What happens to the audit tables when old batches are purged. */
import type { BatchRecord, Seal, Tombstone } from '../../domain/model.js';
import { BadInput } from '../../domain/errors.js';
import { purgedContent, rootOf } from '../proof.js';
import type { Ledger } from './ledger.js';

/** A batch as it was read, and the seal that it was found to agree with. */
export interface SealedBatch {
  readonly record: BatchRecord;
  readonly seal: Seal;
}

/**
 * Removes batches, each but for its seals and its tombstones, which get a seal. One that was sealed anew since it was read
 * is left alone: something has come of it. Answers how many are gone.
 */
export async function purgeBatches(
  { tx, now }: Ledger,
  by: number,
  sealed: readonly SealedBatch[],
): Promise<number> {
  const there = await tx.lockBatches([by, ...sealed.map(({ record }) => record.batch.LogID)]);
  // Its certificate is the end of what it has purged: no tombstone of it is sealed later.
  if (there.find(({ LogID }) => LogID === by)?.Status !== 'Running') {
    throw new BadInput(`Batch ${by} does not run any more, and so it purges nothing. Start another purge`);
  }
  const logIDs = new Set(there.map(({ LogID }) => LogID));
  const latest = new Map((await tx.findSeals([...logIDs])).map(({ LogID, SealNo }) => [LogID, SealNo]));
  const purged = sealed.filter(
    ({ record: { batch }, seal }) => logIDs.has(batch.LogID) && latest.get(batch.LogID) === seal.SealNo,
  );
  if (purged.length === 0) return 0;
  await tx.removeBatches(purged.map(({ record }) => record.batch.LogID));
  const tombstones = purged.map(({ record, seal }) => newTombstones(record, seal, by, now));
  await tx.insertTombstones(tombstones.flat());
  // All others who seal something wait from here on.
  let last = await tx.lastSeal();
  const seals = tombstones.map((ofBatch): Seal => {
    const place = { SealNo: (last?.SealNo ?? 0) + 1, PrevRoot: last?.Root ?? null };
    const Root = rootOf(purgedContent(ofBatch), place);
    return (last = { LogID: ofBatch[0]!.LogID, ...place, Root, SealedAt: now });
  });
  await tx.insertSeals(seals);
  return purged.length;
}

/** Of all runs that could make somebody think that the batch is missing. */
function newTombstones({ batch, runs }: BatchRecord, { Root }: Seal, by: number, now: string): Tombstone[] {
  const runIDs = new Set([...runs.map(({ RunID }) => RunID), batch.OriginalRunID]);
  return [...runIDs]
    .filter((runID) => runID !== null)
    .map((RunID) => ({ RunID, LogID: batch.LogID, Root, PurgedByLogID: by, PurgedAt: now }));
}
