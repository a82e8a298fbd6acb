import { runsByID } from './find.js';
import type { Ledger } from './ledger.js';

export interface TaskFailure {
  readonly runID: string;
  readonly message: string;
}

/** Workflow tasks failed: their runs go on, and the rows say why they do not move. */
export async function noteTaskFailures({ tx }: Ledger, failures: readonly TaskFailure[]): Promise<void[]> {
  const runs = await runsByID(
    tx,
    failures.map(({ runID }) => runID),
  );
  const messages = new Map(failures.map(({ runID, message }) => [runID, message]));
  const batches = await tx.lockBatches([...new Set([...runs.values()].map(({ LogID }) => LogID))]);
  // The run may have been closed, or its batch gone on in another run, before the lock was had.
  const stuck = batches.filter(({ Status, RunID }) => Status === 'Running' && messages.has(RunID ?? ''));
  await tx.updateBatches(stuck.map((batch) => ({ ...batch, ErrorMessage: messages.get(batch.RunID!)! })));
  return failures.map(() => undefined);
}
