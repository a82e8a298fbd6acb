/** Verifies the whole audit, or a part of it. */
import { NotFound } from '../domain/errors.js';
import type { PipelineLog, Seal } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';
import type { Digest } from './chain.js';
import { readChain } from './chain.js';
import { inGroups } from './inGroups.js';
import { quoted } from './missingRuns.js';
import type { ClosedRun, TemporalReader } from './temporalReader.js';
import { holds } from './verdict.js';
import type { Verified } from './verdict.js';
import { verifyBatch } from './verify.js';

export interface What {
  /** Where every closed run must have a row. */
  readonly taskQueue: string;
  /** Only batches that started then or later. */
  readonly since?: string | undefined;
  /** Only this batch. */
  readonly batch?: number | undefined;
  readonly digests?: readonly Digest[] | undefined;
}

export interface Verification {
  readonly ok: boolean;
  readonly batches: readonly Verified[];
  /** Closed runs on the task queue that have no row. */
  readonly missing: readonly ClosedRun[];
  readonly chain: { readonly seals: number; readonly findings: readonly string[] };
}

const PAGE = 200;
const AT_ONCE = 8;

export async function verifyAudit(
  reader: AuditReader,
  temporal: TemporalReader,
  { taskQueue, since, batch, digests }: What,
): Promise<Verification> {
  const { seals, latest, findings: ofChain } = await readChain(reader, digests);
  const batches: Verified[] = [];
  const found = new Set<number>();
  for await (const page of pages(reader, since, batch)) {
    for (const group of inGroups(page, AT_ONCE)) {
      const verifying = group.map(({ LogID }) => verifyOne(reader, temporal, LogID, latest.get(LogID)));
      batches.push(...(await Promise.all(verifying)));
    }
    for (const { LogID } of page) found.add(LogID);
  }
  const isAll = batch === undefined;
  const findings = [...ofChain, ...(isAll ? await gone(reader, latest, found, since) : [])];
  const missing = isAll ? await withoutRow(reader, temporal, taskQueue, since) : [];
  const ok = batches.every(holds) && missing.length === 0 && findings.length === 0;
  return { ok, batches, missing, chain: { seals, findings } };
}

async function verifyOne(
  reader: AuditReader,
  temporal: TemporalReader,
  logID: number,
  seal: Seal | undefined,
): Promise<Verified> {
  const record = await reader.batch(logID);
  if (!record) throw new Error(`Batch ${logID} was deleted while it was verified`);
  return verifyBatch(record, seal, temporal);
}

async function* pages(
  reader: AuditReader,
  since: string | undefined,
  batch: number | undefined,
): AsyncGenerator<PipelineLog[]> {
  if (batch !== undefined) {
    const record = await reader.batch(batch);
    if (!record) throw new NotFound(`There is no batch ${batch}. See: batchtrail batches`);
    yield [record.batch];
    return;
  }
  let after: PipelineLog | undefined;
  do {
    const page = await reader.batches({ since, after, limit: PAGE });
    yield page;
    after = page.length === PAGE ? page.at(-1) : undefined;
  } while (after);
}

/** Batches that were sealed and are no longer there. */
async function gone(
  reader: AuditReader,
  latest: ReadonlyMap<number, Seal>,
  found: ReadonlySet<number>,
  since: string | undefined,
): Promise<string[]> {
  const findings: string[] = [];
  for (const { LogID, SealNo, SealedAt } of latest.values()) {
    if (found.has(LogID) || (since !== undefined && SealedAt < since)) continue;
    if (!(await reader.batch(LogID))) findings.push(`batch ${LogID} has seal ${SealNo}, and was deleted`);
  }
  return findings;
}

async function withoutRow(
  reader: AuditReader,
  temporal: TemporalReader,
  taskQueue: string,
  since: string | undefined,
): Promise<ClosedRun[]> {
  const [first] = since === undefined ? await oldest(reader) : [];
  const from = since ?? first?.StartTime;
  if (from === undefined) return [];
  const missing: ClosedRun[] = [];
  const query = `TaskQueue = ${quoted(taskQueue)} AND StartTime >= ${quoted(from)}`;
  for await (const page of temporal.closed(query)) {
    const known = new Set((await reader.runs(page.map(({ RunID }) => RunID))).map(({ RunID }) => RunID));
    missing.push(...page.filter(({ RunID }) => !known.has(RunID)));
  }
  return missing;
}

/** Runs from before the audit began are not missing. */
async function oldest(reader: AuditReader): Promise<PipelineLog[]> {
  const record = await reader.batch(1);
  return record ? [record.batch] : (await reader.batches({})).slice(-1);
}
