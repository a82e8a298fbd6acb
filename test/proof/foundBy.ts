/** All that `verify` finds, together. */
import type { ClosedRun, TemporalReader } from '../../src/audit/temporalReader.js';
import type { Verified } from '../../src/audit/verdict.js';
import type { Verification, What } from '../../src/audit/verifyAudit.js';
import { verifyAudit } from '../../src/audit/verifyAudit.js';
import type { AuditReader } from '../../src/engines/contract.js';

export interface Found extends Pick<Verification, 'ok' | 'chain' | 'verdicts' | 'purged'> {
  readonly batches: readonly Verified[];
  readonly missing: readonly ClosedRun[];
}

export async function foundBy(reader: AuditReader, temporal: TemporalReader, what: What): Promise<Found> {
  const batches: Verified[] = [];
  const missing: ClosedRun[] = [];
  const found = await verifyAudit(reader, temporal, what, {
    batch: (verified) => void batches.push(verified),
    missing: (run) => void missing.push(run),
  });
  return { ...found, batches, missing };
}

/** Everything that was found, in one text. */
export function said({ batches, missing, chain }: Found): string {
  const ofBatches = batches.flatMap(({ LogID, findings }) => findings.map((text) => `${LogID} ${text}`));
  return [...ofBatches, ...missing.map((run) => `missing ${JSON.stringify(run)}`), ...chain.findings].join(
    '\n',
  );
}
