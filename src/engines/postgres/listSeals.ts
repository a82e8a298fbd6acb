import { SEAL_COLUMNS } from '../../domain/columns.js';
import type { SealFilter } from '../contract.js';
import { select } from './statements.js';

/** The statement that lists seals. It has no name, as that of the batches has none. */
export function listSeals(
  schema: string,
  { logID, after = 0, limit }: SealFilter,
): { text: string; values: unknown[] } {
  const ofBatch = logID === undefined ? '' : ' AND LogID = $3';
  return {
    text: `${select(SEAL_COLUMNS, `${schema}.Seal`)} WHERE SealNo > $1${ofBatch} ORDER BY SealNo LIMIT $2`,
    values: [after, limit, ...(logID === undefined ? [] : [logID])],
  };
}
