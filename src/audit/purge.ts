/** Removes old batches, some in a transaction, so that writers wait for one short transaction at the most. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchRecord } from '../domain/model.js';
import { FAILED_STATUSES } from '../domain/model.js';
import type { Kept, PurgeCursor } from '../domain/purge.js';
import type { AuditReader, AuditStore, OldBatch } from '../engines/contract.js';
import { findAltered } from './findAltered.js';
import { inLedger } from './ledger/ledger.js';
import { purgeBatches } from './ledger/purgeBatches.js';
import type { SealedBatch } from './ledger/purgeBatches.js';
import { LINKS, openRelatives } from './openRelatives.js';
import { isProven } from './proof.js';

/** What a batch has beside its events: its own row, its runs, alerts and seals. */
const ROWS_BESIDE_EVENTS = 5;
/** Others are to find the database free for so many times as long as it was not. */
const REST = 2;
const TOLD = 10;

export interface OldBatches extends Kept {
  /** Those that ended before this time. */
  readonly before: string;
}

export interface PurgeOptions extends OldBatches {
  /** Where an earlier call has ended. */
  readonly after: PurgeCursor | undefined;
  readonly signal: AbortSignal;
  /** It ends then, between two transactions. */
  readonly until: number;
  readonly onProgress: (batches: number) => void;
}

export interface Purged {
  /** Where it has ended; undefined when there is no more. */
  readonly after: PurgeCursor | undefined;
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
  { after: from, signal, until, onProgress, ...which }: PurgeOptions,
): Promise<Purged> {
  const altered: string[] = [];
  let after = from;
  let batches = 0;
  const { removeRows } = store.pace;
  const pages = oldBatches(reader, which, Math.ceil(removeRows / ROWS_BESIDE_EVENTS), from);
  for await (const chunk of chunks(pages, removeRows)) {
    signal.throwIfAborted();
    const { StartTime, LogID } = chunk.at(-1)!;
    after = { StartTime, LogID };
    const sealed = await readSealed(
      reader,
      chunk.map(({ LogID }) => LogID),
      which,
      altered,
    );
    const began = Date.now();
    batches += await inLedger(store, (ledger) => purgeBatches(ledger, by, sealed));
    onProgress(batches);
    await delay((Date.now() - began) * REST, undefined, { signal });
    if (Date.now() > until) return { after, altered };
  }
  return { after: undefined, altered };
}

/** All that would be purged, the oldest first. */
export async function* oldBatches(
  reader: AuditReader,
  { before, keepFailed, keepOpen }: OldBatches,
  limit: number,
  from?: PurgeCursor,
): AsyncGenerator<OldBatch[]> {
  // The next replay takes the place of what all those before it have loaded: it has to find them.
  const kept = await openRelatives(reader, keepOpen ? LINKS : ['ReplayOfLogID']);
  let page: OldBatch[];
  let after = from;
  do {
    page = await reader.oldBatches({ before, keepFailed, after, limit });
    yield page.filter(({ LogID }) => !kept.has(LogID));
    after = page.at(-1);
  } while (page.length === limit);
}

/** As many batches at a time as have so many rows. */
async function* chunks(
  pages: AsyncIterable<readonly OldBatch[]>,
  mostRows: number,
): AsyncGenerator<OldBatch[]> {
  for await (const page of pages) {
    let chunk: OldBatch[] = [];
    let rows = 0;
    for (const batch of page) {
      const more = batch.Events + ROWS_BESIDE_EVENTS;
      if (chunk.length > 0 && rows + more > mostRows) {
        yield chunk;
        chunk = [];
        rows = 0;
      }
      chunk.push(batch);
      rows += more;
    }
    if (chunk.length > 0) yield chunk;
  }
}

async function readSealed(
  reader: AuditReader,
  logIDs: readonly number[],
  which: OldBatches,
  altered: string[],
): Promise<SealedBatch[]> {
  const seals = new Map((await reader.latestSeals(logIDs)).map((seal) => [seal.LogID, seal]));
  const sealed: SealedBatch[] = [];
  for (const record of (await reader.records(logIDs)).filter((one) => isStillOld(one, which))) {
    const seal = seals.get(record.batch.LogID);
    const [problem] = seal ? findAltered(record, seal) : ['it has no seal'];
    if (seal && problem === undefined) sealed.push({ record, seal });
    else if (altered.length < TOLD) altered.push(keptText(record, problem!));
  }
  return sealed;
}

/**
 * Since it was listed a reset may have opened it again, or a late event taken its certificate away, and its new seal says
 * so. What comes after this look gives it another seal.
 */
function isStillOld({ batch, runs }: BatchRecord, { before, keepFailed }: OldBatches): boolean {
  const { Status, Resolution, EndTime } = batch;
  const isOver = Status !== 'Running' && EndTime !== null && EndTime < before;
  const isKept = Resolution === 'open' || (keepFailed === true && FAILED_STATUSES.includes(Status));
  return isOver && !isKept && runs.every((run) => isProven(batch, run));
}

function keptText({ batch }: BatchRecord, problem: string): string {
  return `batch ${batch.LogID} stays: ${problem}. See: batchtrail verify --batch ${batch.LogID}`;
}
