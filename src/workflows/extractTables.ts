/** All tables of a batch from one snapshot of the source into the staging area. */
import { ActivityFailure } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  isCancellation,
  setHandler,
  sleep,
  uuid4,
} from '@temporalio/workflow';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import type {
  Places,
  PlannedTable,
  Prepared,
  SnapshotSignal,
  StagedChunk,
  TableStep,
} from '../domain/transfer.js';
import { SNAPSHOT_SIGNAL, STAGED_QUERY } from '../domain/transfer.js';
import { failureType } from './failureType.js';
import { together } from './together.js';
import { holdSnapshot, steps } from './transferSteps.js';

/** How often all tables are extracted at the most, because the snapshot was lost: as patient as the steps are. */
const EXTRACTIONS = 10;
const LONGEST_PAUSE_MS = 60_000;
/** How many staged chunks one answer names. */
const CHUNKS_TOLD = 1_000;

const snapshotOpened = defineSignal<[SnapshotSignal]>(SNAPSHOT_SIGNAL);
const stagedChunks = defineQuery<StagedChunk[], [extraction: string, after: number]>(STAGED_QUERY);

export interface Extraction extends Prepared {
  readonly places: Places;
  readonly tables: readonly TableStep[];
  readonly parallel: number;
}

/** An extraction of planned tables, whose chunks come one by one. */
export class Staged {
  readonly chunks: StagedChunk[] = [];

  constructor(
    readonly name: string,
    readonly planned: readonly PlannedTable[],
  ) {
    setHandler(stagedChunks, (extraction, after) =>
      extraction === name ? this.chunks.slice(after, after + CHUNKS_TOLD) : [],
    );
  }

  readonly isComplete = (): boolean =>
    this.chunks.length === this.planned.reduce((sum, { chunks }) => sum + chunks, 0);
}

/** `work` begins when all is planned, and again when all is extracted again; what it answers is the answer. */
export async function extractTables<T>(
  extraction: Extraction,
  work: (staged: Staged) => Promise<T>,
): Promise<T> {
  if (!extraction.sharesSnapshots) return work(await extractByOne(extraction));
  for (let attempt = 1; ; attempt++) {
    try {
      return await extractFromShared(extraction, work);
    } catch (error) {
      if (!isWorthAgain(error) || attempt === EXTRACTIONS) throw error;
    }
    await sleep(Math.min(1_000 * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
  }
}

/** Whatever ended the holder ended the snapshot, or kept it from being opened. That may pass, unless a person has to mend it. */
function isWorthAgain(error: unknown): boolean {
  const type = failureType(error) ?? '';
  if (type === 'SnapshotLost') return true;
  const isHolder = error instanceof ActivityFailure && error.activityType === 'holdSnapshot';
  return isHolder && !NON_RETRYABLE_ERRORS.includes(type);
}

/** What an extraction before this one, or one of the run before a reset, is still writing has another name. */
function newName(): string {
  return uuid4().slice(0, 8);
}

async function extractByOne({ places, tables, compresses }: Extraction): Promise<Staged> {
  const name = newName();
  const extracted = await steps.extractTables({ ...places, compresses, extraction: name, tables });
  const staged = new Staged(
    name,
    extracted.tables.map((table) => ({ ...table, chunks: table.chunks.length })),
  );
  staged.chunks.push(...extracted.tables.flatMap(({ chunks }) => chunks));
  return staged;
}

async function extractFromShared<T>(
  { places, tables, parallel, compresses }: Extraction,
  work: (staged: Staged) => Promise<T>,
): Promise<T> {
  const name = newName();
  let snapshot: string | undefined;
  setHandler(snapshotOpened, (signal) => {
    if (signal.extraction === name) snapshot = signal.snapshot;
  });
  const holder = new CancellationScope();
  const reading = new CancellationScope();
  let isRead = false;
  let problem: unknown;
  const released = holder
    .run(() => holdSnapshot({ source: places.source, extraction: name }))
    .catch((error: unknown) => {
      if (isRead) return;
      problem = error;
      reading.cancel();
    });
  try {
    return await reading.run(async () => {
      await condition(() => snapshot !== undefined);
      const planned = await steps.planTables({
        ...{ ...places, compresses, snapshot: snapshot!, extraction: name, tables },
      });
      const staged = new Staged(name, planned);
      const extract = async (): Promise<void> => {
        await extractChunks(staged, { places, tables, parallel }, snapshot!);
        isRead = true;
        holder.cancel();
      };
      let answer: T;
      await together([extract, async () => void (answer = await work(staged))]);
      return answer!;
    });
  } catch (error) {
    throw problem === undefined || isCancellation(problem) ? error : problem;
  } finally {
    holder.cancel();
    await released;
  }
}

async function extractChunks(
  { planned, chunks: staged }: Staged,
  { places, tables, parallel }: Pick<Extraction, 'places' | 'tables' | 'parallel'>,
  snapshot: string,
): Promise<void> {
  const jobs = planned.flatMap(({ name, chunks }, index) =>
    Array.from({ length: chunks }, (_, chunk) => async () => {
      const table = tables[index]!;
      const { object, rows, bytes } = await steps.extractChunk({ ...places, snapshot, table, name, chunk });
      staged.push({ object, rows, bytes });
    }),
  );
  await together(jobs, parallel);
}
