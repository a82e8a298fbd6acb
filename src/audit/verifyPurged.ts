/**
 * Holds what is left of purged batches against the chain of seals and against the purges that they name. Whoever deletes a
 * batch and makes up a tombstone for it needs a seal for that, and a purge that ran when that seal was made.
 */
import type { BatchRecord, Seal, Tombstone } from '../domain/model.js';
import { PURGE_WORKFLOW } from '../domain/purge.js';
import type { AuditReader } from '../engines/contract.js';
import { CLOCKS_DIFFER_MS } from './chain.js';
import { purgedContent, rootOf } from './proof.js';

const AT_ONCE = 1_000;

export interface PurgedFound {
  readonly batches: number;
  /** What is wrong, each in a sentence. */
  readonly findings: readonly string[];
}

/** What the tombstones say of one purge. */
interface Purge {
  lastSealNo: number;
  first: string;
  last: string;
}

export async function verifyPurged(reader: AuditReader): Promise<PurgedFound> {
  const purges = new Map<number, Purge>();
  const findings: string[] = [];
  let batches = 0;
  for await (const page of purgedBatches(reader)) {
    batches += page.length;
    const logIDs = page.map(([{ LogID }]) => LogID);
    const seals = new Map((await reader.latestSeals(logIDs)).map((seal) => [seal.LogID, seal]));
    for (const record of await reader.records(logIDs)) {
      findings.push(`batch ${record.batch.LogID} has a tombstone, and is there`);
    }
    for (const tombstones of page) {
      const seal = seals.get(tombstones[0].LogID);
      const problem = wrongSeal(tombstones, seal);
      if (problem !== undefined) findings.push(problem);
      if (seal) note(purges, tombstones[0], seal);
    }
  }
  for (const [logID, purge] of purges) findings.push(...(await wrongPurge(reader, logID, purge)));
  return { batches, findings };
}

type OfBatch = [Tombstone, ...Tombstone[]];

/** The tombstones of each batch together. */
async function* purgedBatches(reader: AuditReader): AsyncGenerator<OfBatch[]> {
  let open: OfBatch | undefined;
  let after: Tombstone | undefined;
  do {
    const rows = await reader.tombstones({ after, limit: AT_ONCE });
    const page: OfBatch[] = [];
    for (const row of rows) {
      if (open?.[0].LogID === row.LogID) {
        open.push(row);
      } else {
        if (open) page.push(open);
        open = [row];
      }
    }
    after = rows.length === AT_ONCE ? rows.at(-1) : undefined;
    if (!after && open) page.push(open);
    yield page;
  } while (after);
}

function wrongSeal(tombstones: OfBatch, seal: Seal | undefined): string | undefined {
  const [{ LogID, PurgedAt }] = tombstones;
  if (!seal) return `batch ${LogID} has a tombstone, and no seal`;
  if (rootOf(purgedContent(tombstones), seal) !== seal.Root) {
    return `the tombstone of batch ${LogID} differs from seal ${seal.SealNo}, its last: the batch was not purged, or its tombstone was changed`;
  }
  if (PurgedAt === seal.SealedAt) return undefined;
  return `the tombstone of batch ${LogID} is of ${PurgedAt}, and its seal ${seal.SealNo} of ${seal.SealedAt}`;
}

function note(purges: Map<number, Purge>, { PurgedByLogID, PurgedAt }: Tombstone, { SealNo }: Seal): void {
  const known = purges.get(PurgedByLogID);
  if (!known) {
    purges.set(PurgedByLogID, { lastSealNo: SealNo, first: PurgedAt, last: PurgedAt });
    return;
  }
  known.lastSealNo = Math.max(known.lastSealNo, SealNo);
  if (PurgedAt < known.first) known.first = PurgedAt;
  if (PurgedAt > known.last) known.last = PurgedAt;
}

/** What contradicts the purge that tombstones name. That it ran, `verify` asks Temporal like of any other batch. */
async function wrongPurge(reader: AuditReader, logID: number, purge: Purge): Promise<string[]> {
  const record = await reader.batch(logID);
  const runs = record?.runs.length ?? (await tombstonesOf(reader, logID)).length;
  // Not how many were seen: it may have purged more since.
  const purged = await reader.countPurged(logID);
  const say = (text: string): string => `${purged} tombstones name batch ${logID} as their purge: ${text}`;
  if (runs === 0) return [say('there is no such batch')];
  const findings: string[] = [];
  // Only a reset goes on after a purge was certified.
  const [first] = runs === 1 ? await reader.seals({ logID, limit: 1 }) : await reader.latestSeals([logID]);
  if (first && purge.lastSealNo >= first.SealNo) {
    findings.push(say(`it was over at seal ${first.SealNo}, and one of them has seal ${purge.lastSealNo}`));
  }
  if (record) findings.push(...contradictions(record, purge, purged).map(say));
  return findings;
}

function contradictions({ batch }: BatchRecord, { first, last }: Purge, purged: number): string[] {
  const { WorkflowType, StartTime, EndTime, Status, RowsProcessed } = batch;
  const findings: string[] = [];
  if (WorkflowType !== PURGE_WORKFLOW) findings.push(`it is no purge, but ${WorkflowType ?? 'an activity'}`);
  if (Status === 'Success' && RowsProcessed !== purged) {
    findings.push(`it has purged ${RowsProcessed ?? 'no'} batches`);
  }
  if (Date.parse(first) + CLOCKS_DIFFER_MS < Date.parse(StartTime)) {
    findings.push(`it began at ${StartTime}, and one of them is of ${first}`);
  }
  if (EndTime !== null && Date.parse(last) - CLOCKS_DIFFER_MS > Date.parse(EndTime)) {
    findings.push(`it ended at ${EndTime}, and one of them is of ${last}`);
  }
  return findings;
}

/** Of one batch; none when it was not purged. */
export async function tombstonesOf(reader: AuditReader, logID: number): Promise<Tombstone[]> {
  const rows = await reader.tombstones({ after: { LogID: logID, RunID: '' }, limit: AT_ONCE });
  return rows.filter(({ LogID }) => LogID === logID);
}
