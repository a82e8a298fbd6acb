/** From the source by the staging area into the target. */
import { ApplicationFailure } from '@temporalio/common';
import type { TransferCounts, TransferMode } from '../domain/transfer.js';
import type { Extraction } from './extractTables.js';
import { extractTables } from './extractTables.js';
import { replacedBatches } from './replacedBatches.js';
import { steps } from './transferSteps.js';

export interface Move extends Extraction {
  readonly mode: TransferMode;
  readonly allowRejected: boolean;
}

/** Fails with `Overtaken` when another batch moved meanwhile what this one was about to. */
export async function moveTables({ mode, allowRejected, ...extraction }: Move): Promise<TransferCounts> {
  const { places, tables } = extraction;
  const extracted = await extractTables(extraction);
  try {
    const result = await steps.loadTables({
      ...places,
      tables: tables.map((step, index) => ({ step, extracted: extracted.tables[index]! })),
      ...{ mode, allowRejected, replaces: replacedBatches() },
    });
    if (!('overtaken' in result)) return result;
    throw ApplicationFailure.nonRetryable(result.overtaken, 'Overtaken');
  } finally {
    await extracted.released;
  }
}
