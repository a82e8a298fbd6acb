import { condition } from '@temporalio/workflow';
import type { HistoricalTransferInput } from '../../src/domain/transfer.js';
import { DEFAULT_PARALLEL, tableSteps } from '../../src/domain/transfer.js';
import { extractTables } from '../../src/workflows/extractTables.js';

export { historicalTransfer } from '../../src/workflows/historicalTransfer.js';

/** The first half of a transfer: from the source into the staging area, where other programs end. */
export function extraction(input: HistoricalTransferInput): Promise<{ rowsProcessed: number }> {
  const { source, staging, target, parallel = DEFAULT_PARALLEL } = input;
  return extractTables(
    {
      places: { source, staging, target },
      tables: tableSteps(input.tables),
      parallel,
      sharesSnapshots: true,
      compresses: true,
    },
    async ({ chunks, isComplete }) => {
      await condition(isComplete);
      return { rowsProcessed: chunks.reduce((sum, { rows }) => sum + rows, 0) };
    },
  );
}
