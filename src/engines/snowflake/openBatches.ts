import { NEW_BATCH_COLUMNS, PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { PipelineLog } from '../../domain/model.js';
import type { NewBatch } from '../contract.js';
import { checkOrigins, originOf } from './duplicates.js';
import type { Tables } from './tables.js';

const ORIGIN = ['OriginalRunID', 'Namespace'] as const;

/** One MERGE gives LogIDs to the origins that have none, and one SELECT says which all of them have. */
export async function openBatches(tables: Tables, batches: readonly NewBatch[]): Promise<PipelineLog[]> {
  if (batches.length === 0) return [];
  tables.merge('PipelineLog', batches, NEW_BATCH_COLUMNS, { keys: ORIGIN, insert: NEW_BATCH_COLUMNS });
  const found = await tables.findByKeys<PipelineLog, NewBatch>(
    'PipelineLog',
    PIPELINE_LOG_COLUMNS,
    batches,
    ORIGIN,
  );
  checkOrigins(found);
  const byOrigin = new Map(found.map((batch) => [originOf(batch), batch]));
  return batches.map((batch) => byOrigin.get(originOf(batch))!);
}
