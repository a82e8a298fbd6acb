import type { RunStart } from '../../domain/model.js';
import type { Ledger } from './ledger.js';
import { openRuns } from './openRuns.js';

export interface TaskFailure {
  readonly start: RunStart;
  readonly message: string;
}

/**
 * Workflow tasks failed: their runs go on, and the rows say why they do not move. The run is opened here, not by a
 * change before: a reader would see the message go and come at every try of the task.
 */
export async function noteTaskFailures(ledger: Ledger, failures: readonly TaskFailure[]): Promise<void[]> {
  const { tx } = ledger;
  const refs = await openRuns(
    ledger,
    failures.map(({ start }) => start),
  );
  const messages = new Map(failures.map(({ start, message }) => [start.RunID, message]));
  const batches = await tx.lockBatches([...new Set(refs.map(({ LogID }) => LogID))]);
  // The run may have been closed, or its batch gone on in another run, before the lock was had.
  const stuck = batches.filter(({ Status, RunID }) => Status === 'Running' && messages.has(RunID ?? ''));
  await tx.updateBatches(stuck.map((batch) => ({ ...batch, ErrorMessage: messages.get(batch.RunID!)! })));
  return failures.map(() => undefined);
}
