import { SEAL_COLUMNS } from '../../domain/columns.js';
import type Driver from 'mssql';
import type { SealFilter } from '../contract.js';
import { list } from './columns.js';
import type { Inputs } from './session.js';

/** The statement that lists seals. */
export function listSeals(
  { BigInt, Int }: typeof Driver,
  schema: string,
  { logID, after = 0, limit }: SealFilter,
): { text: string; inputs: Inputs } {
  const ofBatch = logID === undefined ? '' : 'AND [LogID] = @logID';
  return {
    text: `SELECT TOP (@limit) ${list(SEAL_COLUMNS)} FROM ${schema}.[Seal]
      WHERE [SealNo] > @after ${ofBatch} ORDER BY [SealNo]`,
    inputs: {
      after: [BigInt, after],
      limit: [Int, limit],
      ...(logID === undefined ? {} : { logID: [Int, logID] }),
    },
  };
}
