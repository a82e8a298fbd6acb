/** Moves whole tables from a source to a target, all from one snapshot of the source and into one transaction there. */
import type { HistoricalTransferInput, TransferCounts } from '../domain/transfer.js';
import { checkHistoricalInput, DEFAULT_PARALLEL, tableSteps } from '../domain/transfer.js';
import { checkInput } from './checkInput.js';
import { moveTables } from './moveTables.js';
import { steps } from './transferSteps.js';

export async function historicalTransfer(input: HistoricalTransferInput): Promise<TransferCounts> {
  const checked = checkInput(checkHistoricalInput, input);
  const { source, staging, target, mode, allowRejected = false, cleanup = 'onSuccess' } = checked;
  const { parallel = DEFAULT_PARALLEL } = checked;
  const places = { source, staging, target };
  const tables = tableSteps(checked.tables);
  const prepared = await steps.prepareTransfer({ ...places, tables, mode });
  const counts = await moveTables({ ...prepared, places, tables, parallel, mode, allowRejected });
  await steps.cleanStaging({ staging, own: cleanup === 'onSuccess' });
  return counts;
}
