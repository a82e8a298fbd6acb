import type { BatchStatus } from '../../domain/model.js';
import { runsByID } from './find.js';
import type { Ledger } from './ledger.js';

export interface GoodEnd {
  readonly LogID: number;
  readonly RunID: string;
  readonly Status: Extract<BatchStatus, 'Success' | 'Continued'>;
  readonly EndTime: string;
}

/** Shows the ends of runs that ended well. What their histories prove about them is written later, by `settleRuns`. */
export async function closeRuns({ tx }: Ledger, ends: readonly GoodEnd[]): Promise<void[]> {
  const batches = await tx.lockBatches([...new Set(ends.map(({ LogID }) => LogID))]);
  const runs = await runsByID(
    tx,
    ends.map(({ RunID }) => RunID),
  );
  const closing = new Map(
    ends.filter(({ RunID }) => runs.get(RunID)?.Status === 'Running').map((end) => [end.RunID, end]),
  );
  await tx.updateRuns(
    [...closing.values()].map(({ RunID, Status, EndTime }) => ({ ...runs.get(RunID)!, Status, EndTime })),
  );
  // A batch that a reset continues shows its latest run.
  const latest = batches.filter(({ RunID }) => RunID !== null && closing.has(RunID));
  await tx.updateBatches(
    latest.map((batch) => {
      const { Status, EndTime } = closing.get(batch.RunID!)!;
      const DurationMs = Math.max(0, Date.parse(EndTime) - Date.parse(batch.StartTime));
      return { ...batch, Status, EndTime, DurationMs, ErrorMessage: null };
    }),
  );
  return ends.map(() => undefined);
}
