import { BadInput, NotFound } from '../../domain/errors.js';
import { storable } from '../../domain/text.js';
import type { Ledger } from './ledger.js';
import { resolveBatch } from './resolveBatch.js';

export interface Dismissal {
  readonly logID: number;
  readonly reason: string;
  /** Who says so. */
  readonly by: string;
}

/** A person says that a failed batch needs no repair. */
export async function dismissBatch(ledger: Ledger, { logID, reason, by }: Dismissal): Promise<void> {
  const [batch] = await ledger.tx.lockBatches([logID]);
  if (!batch) throw new NotFound(`There is no batch ${logID}. See: batchtrail batches --open`);
  if (batch.Resolution !== 'open') {
    const state = batch.Resolution === null ? `is ${batch.Status}` : `is ${batch.Resolution} already`;
    throw new BadInput(`Batch ${logID} is not open: it ${state}. See: batchtrail show ${logID}`);
  }
  await resolveBatch(ledger, batch, {
    ...{ Resolution: 'dismissed', ResolvedByLogID: null },
    remark: storable(`by ${by}: ${reason}`),
  });
}
