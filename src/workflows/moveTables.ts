/** From the source by the staging area into the target. */
import type { TransferCounts, TransferMode } from '../domain/transfer.js';
import type { Extraction } from './extractTables.js';
import { extractTables } from './extractTables.js';
import { steps } from './transferSteps.js';

export interface Move extends Extraction {
  readonly mode: TransferMode;
  readonly allowRejected: boolean;
}

export async function moveTables({ mode, allowRejected, ...extraction }: Move): Promise<TransferCounts> {
  const { places, tables } = extraction;
  const extracted = await extractTables(extraction);
  try {
    return await steps.loadTables({
      ...places,
      tables: tables.map((step, index) => ({ step, extracted: extracted.tables[index]! })),
      ...{ mode, allowRejected },
    });
  } finally {
    await extracted.released;
  }
}
