/** What is known of a batch that is not there: nobody gave that number yet, or it was purged. */
import { NotFound } from '../domain/errors.js';
import type { Tombstone } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';

export type Purged = Pick<Tombstone, 'PurgedByLogID' | 'PurgedAt'>;

/** Undefined for a batch that was not purged. */
export async function purgeOf(reader: AuditReader, logID: number): Promise<Purged | undefined> {
  const [next] = await reader.tombstones({ after: { LogID: logID, RunID: '' }, limit: 1 });
  if (next?.LogID !== logID) return undefined;
  const { PurgedByLogID, PurgedAt } = next;
  return { PurgedByLogID, PurgedAt };
}

export function purgedText({ PurgedByLogID, PurgedAt }: Purged): string {
  return `was purged by batch ${PurgedByLogID} at ${PurgedAt}`;
}

/** Why there is nothing to show of a batch. */
export async function noBatch(reader: AuditReader, logID: number): Promise<NotFound> {
  const purged = await purgeOf(reader, logID);
  return new NotFound(
    purged ? `Batch ${logID} ${purgedText(purged)}` : `There is no batch ${logID}. See: batchtrail batches`,
  );
}
