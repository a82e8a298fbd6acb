import { NEW_BATCH_COLUMNS, PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { PipelineLog } from '../../domain/model.js';
import type { NewBatch } from '../contract.js';
import { checkOrigins, originOf } from './duplicates.js';
import { sourcesOf } from './rows.js';
import { merge, type Source } from './statements.js';
import type { Tables } from './tables.js';

const ORIGIN = ['OriginalRunID', 'Namespace'] as const;

/** One MERGE gives LogIDs to the origins that have none, and no tombstone; one SELECT says which all of them have. */
export async function openBatches(
  tables: Tables,
  batches: readonly NewBatch[],
): Promise<Array<PipelineLog | undefined>> {
  if (batches.length === 0) return [];
  const notPurged = ({ text, binds }: Source): Source => ({
    text: `(SELECT S.* FROM ${text} S LEFT JOIN ${tables.name('Tombstone')} P ON P.RunID = S.OriginalRunID WHERE P.RunID IS NULL)`,
    binds,
  });
  tables.frame.write({
    table: 'PipelineLog',
    statements: sourcesOf(batches, NEW_BATCH_COLUMNS).map((source) =>
      merge(tables.name('PipelineLog'), notPurged(source), { keys: ORIGIN, insert: NEW_BATCH_COLUMNS }),
    ),
  });
  const found = await tables.findByKeys<PipelineLog, NewBatch>(
    'PipelineLog',
    PIPELINE_LOG_COLUMNS,
    batches,
    ORIGIN,
  );
  checkOrigins(found);
  const byOrigin = new Map(found.map((batch) => [originOf(batch), batch]));
  return batches.map((batch) => byOrigin.get(originOf(batch)));
}
