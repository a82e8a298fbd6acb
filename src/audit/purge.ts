/** Removes old batches, some in a transaction, so that writers wait for one short transaction at the most. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchRecord } from '../domain/model.js';
import type { Kept } from '../domain/purge.js';
import type { AuditReader, AuditStore, OldBatch, OldFilter } from '../engines/contract.js';
import { findAltered } from './findAltered.js';
import { inLedger } from './ledger/ledger.js';
import { purgeBatches } from './ledger/purgeBatches.js';
import type { SealedBatch } from './ledger/purgeBatches.js';
import { openRelatives } from './openRelatives.js';

/** What a batch has beside its events: its own row, its runs, alerts and seals. */
const ROWS_BESIDE_EVENTS = 5;
const TOLD = 10;

export interface OldBatches extends Kept {
  /** Those that ended before this time. */
  readonly before: string;
}

export interface PurgeOptions extends OldBatches {
  readonly signal: AbortSignal;
  /** It ends then, between two transactions. */
  readonly until: number;
  readonly onProgress: (batches: number) => void;
}

export interface Purged {
  /** Whether there is no more. */
  readonly isDone: boolean;
  /** Which batches stay because they differ from their seals, each in a sentence; the first ones. */
  readonly altered: readonly string[];
}

/**
 * Removes the old batches in the name of the purge's own batch. What differs from its seal stays: a purge removes no traces.
 */
export async function purge(
  reader: AuditReader,
  store: AuditStore,
  by: number,
  { signal, until, onProgress, ...which }: PurgeOptions,
): Promise<Purged> {
  const altered: string[] = [];
  let batches = 0;
  const { removeRows } = store.pace;
  const pages = oldBatches(reader, which, Math.ceil(removeRows / ROWS_BESIDE_EVENTS));
  for await (const logIDs of chunks(pages, removeRows)) {
    signal.throwIfAborted();
    if (Date.now() > until) return { isDone: false, altered };
    const sealed = await readSealed(reader, logIDs, altered);
    const began = Date.now();
    batches += await inLedger(store, (ledger) => purgeBatches(ledger, by, sealed));
    onProgress(batches);
    // Others are to find the database free for as long as it was not.
    await delay(Date.now() - began, undefined, { signal });
  }
  return { isDone: true, altered };
}

/** All that would be purged, the oldest first. */
export async function* oldBatches(
  reader: AuditReader,
  { before, keepFailed, keepOpen }: OldBatches,
  limit: number,
): AsyncGenerator<OldBatch[]> {
  const kept = keepOpen ? await openRelatives(reader) : new Set<number>();
  let after: OldFilter['after'];
  do {
    const page = await reader.oldBatches({ before, keepFailed, after, limit });
    yield page.filter(({ LogID }) => !kept.has(LogID));
    after = page.length === limit ? page.at(-1) : undefined;
  } while (after);
}

/** The LogIDs of as many batches as have so many rows. */
async function* chunks(
  pages: AsyncIterable<readonly OldBatch[]>,
  mostRows: number,
): AsyncGenerator<number[]> {
  for await (const page of pages) {
    let chunk: number[] = [];
    let rows = 0;
    for (const { LogID, Events } of page) {
      const more = Events + ROWS_BESIDE_EVENTS;
      if (chunk.length > 0 && rows + more > mostRows) {
        yield chunk;
        chunk = [];
        rows = 0;
      }
      chunk.push(LogID);
      rows += more;
    }
    if (chunk.length > 0) yield chunk;
  }
}

async function readSealed(
  reader: AuditReader,
  logIDs: readonly number[],
  altered: string[],
): Promise<SealedBatch[]> {
  const seals = new Map((await reader.latestSeals(logIDs)).map((seal) => [seal.LogID, seal]));
  const sealed: SealedBatch[] = [];
  for (const record of await reader.records(logIDs)) {
    const seal = seals.get(record.batch.LogID);
    const [problem] = seal ? findAltered(record, seal) : ['it has no seal'];
    if (seal && problem === undefined) sealed.push({ record, seal });
    else if (altered.length < TOLD) altered.push(keptText(record, problem!));
  }
  return sealed;
}

function keptText({ batch }: BatchRecord, problem: string): string {
  return `batch ${batch.LogID} stays: ${problem}. See: batchtrail verify --batch ${batch.LogID}`;
}
