import type { AuditTransaction } from '../../engines/contract.js';
import type { PipelineLog, PipelineRun } from '../../domain/model.js';

export async function runsByID(
  tx: AuditTransaction,
  runIDs: ReadonlyArray<string | null>,
): Promise<Map<string, PipelineRun>> {
  const named = new Set(runIDs.filter((runID) => runID !== null));
  return new Map((await tx.findRuns([...named])).map((run) => [run.RunID, run]));
}

export async function batchesByID(
  tx: AuditTransaction,
  logIDs: readonly number[],
): Promise<Map<number, PipelineLog>> {
  const batches = await tx.findBatches([...new Set(logIDs)]);
  return new Map(batches.map((batch) => [batch.LogID, batch]));
}

export function existing(batches: ReadonlyMap<number, PipelineLog>, logID: number): PipelineLog {
  const batch = batches.get(logID);
  if (!batch) throw new Error(`The audit has a run of batch ${logID}, but no such batch`);
  return batch;
}

/** Those of these runs that have a row, or had one in a batch that was purged. */
export async function knownRuns(
  tx: AuditTransaction,
  runIDs: readonly string[],
): Promise<Array<{ readonly RunID: string }>> {
  const rows = await tx.findRuns(runIDs);
  const found = new Set(rows.map(({ RunID }) => RunID));
  return [...rows, ...(await tx.findTombstones(runIDs.filter((runID) => !found.has(runID))))];
}
