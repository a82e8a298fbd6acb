/** Whose batch it is that rows name by their BatchID, and what the audit knows of it. */
import type { Purged } from '../audit/noBatch.js';
import { purgeOf } from '../audit/noBatch.js';
import { replayChain } from '../audit/replayChain.js';
import type { Config } from '../config.js';
import type { PipelineLog } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';
import type { LedgerLoad } from '../engines/targetReaderContract.js';
import { runUrl } from './webUi.js';

/**
 * How it is known whose batch it is: the target's ledger lists it as this audit's, as another audit's, or as both; or no
 * ledger lists it, and the number alone says so.
 */
export type Evidence = 'ledger' | 'other-audit' | 'several-audits' | 'number';

export interface Attribution {
  readonly Evidence: Evidence;
  /** The other audit stores that have a batch with this number in this table. */
  readonly OtherStoreIDs: readonly string[];
}

/** `loads`: what the ledger lists of one table under one number. */
export function attributed(loads: readonly LedgerLoad[], ownStoreID: string): Attribution {
  const stores = new Set(loads.map(({ storeID }) => storeID));
  const isOwn = stores.delete(ownStoreID);
  const others = [...stores].sort();
  const evidence = isOwn ? 'ledger' : 'number';
  return {
    Evidence: others.length === 0 ? evidence : isOwn ? 'several-audits' : 'other-audit',
    OtherStoreIDs: others,
  };
}

export interface AuditedBatch {
  /** Null when it is not in this audit. */
  readonly Batch: PipelineLog | null;
  /** By which purge, and when; null when the audit knows of none. */
  readonly Purged: Purged | null;
  /** With the batch itself; empty when it stands alone. */
  readonly Chain: readonly PipelineLog[];
  /** The batches that those of the chain name, and that were purged. */
  readonly PurgedLinks: readonly PurgedLink[];
  /** The page of its run in Temporal's Web UI. */
  readonly WebUI: string | null;
}

export interface PurgedLink extends Purged {
  readonly LogID: number;
}

export const UNKNOWN: AuditedBatch = { Batch: null, Purged: null, Chain: [], PurgedLinks: [], WebUI: null };

export async function auditedBatch(config: Config, audit: AuditReader, logID: number): Promise<AuditedBatch> {
  const chain = await replayChain(audit, logID);
  const batch = chain.find(({ LogID }) => LogID === logID) ?? null;
  const gone = goneLinks(chain);
  return {
    Batch: batch,
    Purged: batch ? null : ((await purgeOf(audit, logID)) ?? null),
    Chain: chain.length === 1 && batch && gone.length === 0 ? [] : chain,
    PurgedLinks: await purgedOf(audit, gone),
    WebUI: (batch && runUrl(config, batch)) ?? null,
  };
}

/** The numbers that a chain names and does not have. */
function goneLinks(chain: readonly PipelineLog[]): number[] {
  const there = new Set(chain.map(({ LogID }) => LogID));
  const links = chain.flatMap(({ ReplayOfLogID, ResolvedByLogID }) => [ReplayOfLogID, ResolvedByLogID]);
  return [...new Set(links)].filter((link) => link !== null).filter((link) => !there.has(link));
}

async function purgedOf(audit: AuditReader, logIDs: readonly number[]): Promise<PurgedLink[]> {
  const purged: PurgedLink[] = [];
  for (const LogID of logIDs) {
    const purge = await purgeOf(audit, LogID);
    if (purge) purged.push({ LogID, ...purge });
  }
  return purged;
}

/** The systems that the batch's steps say they wrote to. */
export async function namedTargets(audit: AuditReader, logID: number): Promise<string[]> {
  const record = await audit.batch(logID);
  const systems = (record?.events ?? []).map(({ TargetSystem }) => TargetSystem);
  return [...new Set(systems.filter((system) => system !== null))].sort();
}
