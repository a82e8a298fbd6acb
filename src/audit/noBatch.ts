import { NotFound } from '../domain/errors.js';
import type { AuditReader } from '../engines/contract.js';
import { tombstonesOf } from './verifyPurged.js';

/** Why there is nothing to show of a batch: nobody gave that number yet, or it was purged. */
export async function noBatch(reader: AuditReader, logID: number): Promise<NotFound> {
  const [tombstone] = await tombstonesOf(reader, logID);
  if (!tombstone) return new NotFound(`There is no batch ${logID}. See: batchtrail batches`);
  const { PurgedByLogID, PurgedAt } = tombstone;
  return new NotFound(`Batch ${logID} was purged by batch ${PurgedByLogID} at ${PurgedAt}`);
}
