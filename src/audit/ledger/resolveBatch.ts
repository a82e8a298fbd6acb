import type { PipelineLog, Resolution } from '../../domain/model.js';
import { hashed } from '../proof.js';
import { resolutionEvent } from '../resolutionEvent.js';
import type { Ledger } from './ledger.js';

export interface Resolving {
  readonly Resolution: Exclude<Resolution, 'open'>;
  readonly ResolvedByLogID: number | null;
  /** What a person says of it. */
  readonly remark?: string;
}

/** A failed batch, whose row is locked, is no longer open, and neither are its alerts. */
export async function resolveBatch(
  ledger: Ledger,
  batch: PipelineLog,
  { remark, ...resolution }: Resolving,
  more: Partial<PipelineLog> = {},
): Promise<void> {
  const { tx, now } = ledger;
  await tx.updateBatches([{ ...batch, ...more, ...resolution }]);
  await tx.putEvents([
    hashed(resolutionEvent(batch, resolution.Resolution, resolution.ResolvedByLogID, now, remark)),
  ]);
  ledger.changed([batch.LogID]);
  const open = (await tx.findAlerts([batch.LogID])).filter(({ ResolvedAt }) => ResolvedAt === null);
  await tx.resolveAlerts(
    open.map(({ AlertID }) => AlertID),
    now,
  );
}
