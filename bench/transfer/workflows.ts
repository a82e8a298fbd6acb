import type { ExtractedTable, HistoricalTransferInput } from '../../src/domain/transfer.js';
import { tableSteps } from '../../src/domain/transfer.js';
import { extractTables } from '../../src/workflows/extractTables.js';

export { historicalTransfer } from '../../src/workflows/historicalTransfer.js';

/** The first half of a transfer: from the source into the staging area, where other programs end. */
export async function extraction(input: HistoricalTransferInput): Promise<ExtractedTable[]> {
  const { source, staging, target, parallel = 4 } = input;
  const { tables, released } = await extractTables({
    places: { source, staging, target },
    tables: tableSteps(input.tables),
    parallel,
    sharesSnapshots: true,
  });
  await released;
  return tables;
}
