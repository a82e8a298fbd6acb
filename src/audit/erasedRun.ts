import { closeErased } from './ledger/closeErased.js';
import { inLedger } from './ledger/ledger.js';
import type { Recorder } from './recorder.js';
import type { RunKey } from './temporalReader.js';

/**
 * Temporal has no history of this run. The store remembers it, for all workers, and the log says it once. Answers whether
 * it was this call that did it.
 */
export async function giveUpErased(recorder: Recorder, { WorkflowID, RunID }: RunKey): Promise<boolean> {
  const { store, options } = recorder;
  if (!store) return false;
  const run = await inLedger(store, (ledger) => closeErased(ledger, RunID));
  if (!run) return false;
  const about = { LogID: run.LogID, WorkflowID, RunID, Status: run.Status };
  if (run.CertifiedEventID === null) {
    options.logger.warn(
      'Temporal erased the history of a run before it was certified; its batch stays as workers saw it',
      about,
    );
  } else {
    options.logger.info('A late event was added to a run whose history Temporal has erased', about);
  }
  return true;
}
