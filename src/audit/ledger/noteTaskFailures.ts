import type { AuditTransaction } from '../../engines/contract.js';
import { runsByID } from './find.js';

export interface TaskFailure {
  readonly runID: string;
  readonly message: string;
}

/** Workflow tasks failed: their runs go on, and the rows say why they do not move. */
export async function noteTaskFailures(
  tx: AuditTransaction,
  failures: readonly TaskFailure[],
): Promise<void[]> {
  const runs = await runsByID(
    tx,
    failures.map(({ runID }) => runID),
  );
  const messages = new Map<number, string>();
  for (const { runID, message } of failures) {
    const run = runs.get(runID);
    if (run?.Status === 'Running') messages.set(run.LogID, message);
  }
  const batches = await tx.lockBatches([...messages.keys()]);
  await tx.updateBatches(batches.map((batch) => ({ ...batch, ErrorMessage: messages.get(batch.LogID)! })));
  return failures.map(() => undefined);
}
