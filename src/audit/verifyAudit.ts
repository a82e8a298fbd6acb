/**
 * Verifies the whole audit, or a part of it, while workers go on writing to it. What is found is told as it is found,
 * so that an audit of any size takes little memory.
 */
import type { PipelineLog, Seal } from '../domain/model.js';
import type { AuditReader, Stray } from '../engines/contract.js';
import type { Digest } from './chain.js';
import { readChain } from './chain.js';
import { inGroups } from './inGroups.js';
import { quoted } from './missingRuns.js';
import { noBatch } from './noBatch.js';
import { HISTORIES_AT_ONCE } from './rateLimit.js';
import type { RateLimit } from './rateLimit.js';
import { ProvenHistories } from './provenHistories.js';
import type { ClosedRun, TemporalReader } from './temporalReader.js';
import { holds } from './verdict.js';
import type { Verdict, Verified } from './verdict.js';
import { verifyBatch } from './verify.js';
import { tombstonesOf, verifyPurged } from './verifyPurged.js';

export interface What {
  /** Where every closed run must have a row. */
  readonly taskQueue: string;
  /** Only batches that started then or later. */
  readonly since?: string | undefined;
  /** Only this batch. */
  readonly batch?: number | undefined;
  readonly digests?: readonly Digest[] | undefined;
  /** Of requests to Temporal. */
  readonly rate?: RateLimit | undefined;
}

/** Hears what is found: first the batches, the newest first, then what has none. */
export interface Listener {
  batch(verified: Verified): void;
  /** A closed run on the task queue that has no row. */
  missing(run: ClosedRun): void;
}

export interface Verification {
  readonly ok: boolean;
  /** How many batches have which verdict. */
  readonly verdicts: Partial<Record<Verdict, number>>;
  /** The number of closed runs that have no row. */
  readonly missing: number;
  /** The number of batches that were purged. */
  readonly purged: number;
  readonly chain: { readonly seals: number; readonly findings: readonly string[] };
}

const PAGE = 200;

export async function verifyAudit(
  reader: AuditReader,
  temporal: TemporalReader,
  { taskQueue, since, batch, digests, rate }: What,
  listener: Listener,
): Promise<Verification> {
  const histories = new ProvenHistories(temporal, rate);
  const verdicts: Partial<Record<Verdict, number>> = {};
  let ok = true;
  for await (const page of pages(reader, since, batch)) {
    for (const verified of await verifyPage(reader, histories, page)) {
      verdicts[verified.verdict] = (verdicts[verified.verdict] ?? 0) + 1;
      ok &&= holds(verified);
      listener.batch(verified);
    }
  }
  let missing = 0;
  if (batch === undefined) {
    for await (const run of runsWithoutRow(reader, temporal, taskQueue, since)) {
      missing++;
      listener.missing(run);
    }
  }
  const chain = await readChain(reader, digests);
  const purged = batch === undefined ? await verifyPurged(reader) : undefined;
  const strays = batch === undefined ? await rowsWithoutBatch(reader) : [];
  const findings = [...chain.findings, ...(purged?.findings ?? []), ...strays];
  ok &&= missing === 0 && findings.length === 0;
  return { ok, verdicts, missing, purged: purged?.batches ?? 0, chain: { seals: chain.seals, findings } };
}

async function* pages(
  reader: AuditReader,
  since: string | undefined,
  batch: number | undefined,
): AsyncGenerator<PipelineLog[]> {
  if (batch !== undefined) {
    const record = await reader.batch(batch);
    if (!record) throw await noBatch(reader, batch);
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

async function verifyPage(
  reader: AuditReader,
  histories: ProvenHistories,
  page: readonly PipelineLog[],
): Promise<Verified[]> {
  const seals = await reader.latestSeals(page.map(({ LogID }) => LogID));
  const sealOf = new Map(seals.map((seal) => [seal.LogID, seal]));
  const verified: Verified[] = [];
  for (const group of inGroups(page, HISTORIES_AT_ONCE)) {
    const verifying = group.map(({ LogID }) => verifyOne(reader, histories, LogID, sealOf.get(LogID)));
    verified.push(...(await Promise.all(verifying)).filter((one) => one !== undefined));
  }
  return verified;
}

/**
 * Workers go on: what does not hold may have been certified or sealed since its parts were read. Undefined when the batch
 * was purged meanwhile, which its tombstone tells.
 */
async function verifyOne(
  reader: AuditReader,
  histories: ProvenHistories,
  logID: number,
  seal: Seal | undefined,
): Promise<Verified | undefined> {
  const record = await reader.batch(logID);
  const verified = record && (await verifyBatch(record, seal, histories));
  if (verified && holds(verified)) return verified;
  const now = await readSealed(reader, logID);
  return now && verifyBatch(now.record, now.seal, histories);
}

/** The batch and its seal as they were at one moment: whoever changes what is sealed adds another seal. */
async function readSealed(reader: AuditReader, logID: number) {
  for (;;) {
    const [seal] = await reader.latestSeals([logID]);
    const record = await reader.batch(logID);
    if (!record) {
      if ((await tombstonesOf(reader, logID)).length > 0) return undefined;
      throw new Error(`Batch ${logID} was deleted while it was verified`);
    }
    const [after] = await reader.latestSeals([logID]);
    if (seal?.SealNo === after?.SealNo) return { record, seal };
  }
}

async function* runsWithoutRow(
  reader: AuditReader,
  temporal: TemporalReader,
  taskQueue: string,
  since: string | undefined,
): AsyncGenerator<ClosedRun> {
  // What ended before the audit began is not missing.
  const conditions = [`TaskQueue = ${quoted(taskQueue)}`, `CloseTime >= ${quoted(await reader.createdAt())}`];
  if (since !== undefined) conditions.push(`StartTime >= ${quoted(since)}`);
  for await (const page of temporal.closed(conditions.join(' AND '))) {
    const runIDs = page.map(({ RunID }) => RunID);
    const rows = [...(await reader.runs(runIDs)), ...(await reader.purgedRuns(runIDs))];
    const known = new Set(rows.map(({ RunID }) => RunID));
    yield* page.filter(({ RunID }) => !known.has(RunID));
  }
}

/** Sentences about batches of which something is left, and not the batch. */
async function rowsWithoutBatch(reader: AuditReader): Promise<string[]> {
  const strays = await straysByBatch(reader);
  // Where readers and writers don't see one state of all tables, batches may have come or been purged while they were compared.
  const still = strays.size > 0 ? await straysByBatch(reader) : strays;
  const findings: string[] = [];
  for (const [logID, rows] of still) {
    if (!strays.has(logID)) continue;
    const what = rows.map(({ TableName, RowsFound }) => `${RowsFound} in ${TableName}`).join(', ');
    findings.push(`batch ${logID} was deleted, or never was: rows of it are left, ${what}`);
  }
  return findings;
}

async function straysByBatch(reader: AuditReader): Promise<Map<number, Stray[]>> {
  const strays = new Map<number, Stray[]>();
  for (const stray of await reader.strays()) {
    strays.set(stray.LogID, [...(strays.get(stray.LogID) ?? []), stray]);
  }
  return strays;
}
