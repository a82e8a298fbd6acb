/** From the source by the staging area into the target, which takes what is staged while the rest is extracted. */
import { ApplicationFailure } from '@temporalio/common';
import { condition } from '@temporalio/workflow';
import type { TransferCounts, TransferMode } from '../domain/transfer.js';
import type { Extraction, Staged } from './extractTables.js';
import { extractTables } from './extractTables.js';
import { replacedBatches } from './replacedBatches.js';
import { steps } from './transferSteps.js';

export interface Move extends Extraction {
  readonly mode: TransferMode;
  readonly allowRejected: boolean;
}

/** Fails with `Overtaken` when another batch moved meanwhile what this one was about to. */
export function moveTables({ mode, allowRejected, ...extraction }: Move): Promise<TransferCounts> {
  const { places, tables } = extraction;
  const load = async ({ name, planned, chunks, isComplete }: Staged): Promise<TransferCounts> => {
    // Before that, a load would only sit in a slot.
    await condition(() => chunks.length > 0);
    for (;;) {
      const result = await steps.loadTables({
        ...{ ...places, extraction: name, mode, allowRejected, replaces: replacedBatches() },
        tables: tables.map((step, index) => ({ step, planned: planned[index]! })),
      });
      if ('overtaken' in result) throw ApplicationFailure.nonRetryable(result.overtaken, 'Overtaken');
      if (!('waitedFor' in result)) return result;
      await condition(isComplete);
    }
  };
  return extractTables(extraction, load);
}
