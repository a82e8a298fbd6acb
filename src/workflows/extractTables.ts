/** All tables of a batch from one snapshot of the source into the staging area. */
import { ApplicationFailure } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import type { ExtractedTable, Places, PlannedTable, SnapshotSignal, TableStep } from '../domain/transfer.js';
import { SNAPSHOT_SIGNAL } from '../domain/transfer.js';
import { failureType } from './failureType.js';
import { together } from './together.js';
import { holdSnapshot, steps } from './transferSteps.js';

/** How often all tables are extracted again, because the snapshot was lost. */
const EXTRACTIONS = 10;

const snapshotOpened = defineSignal<[SnapshotSignal]>(SNAPSHOT_SIGNAL);

export interface Extracted {
  readonly tables: ExtractedTable[];
  /** Settles when the snapshot is released, which takes until its holder hears of it. */
  readonly released: Promise<unknown>;
}

export interface Extraction {
  readonly places: Places;
  readonly tables: readonly TableStep[];
  readonly parallel: number;
  readonly sharesSnapshots: boolean;
}

export async function extractTables(extraction: Extraction): Promise<Extracted> {
  const { places, tables, sharesSnapshots } = extraction;
  if (!sharesSnapshots) {
    const extracted = await steps.extractTables({ ...places, extraction: newName(), tables });
    return { tables: extracted.tables, released: Promise.resolve() };
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await extractFromShared(extraction);
    } catch (error) {
      if (failureType(error) !== 'SnapshotLost' || attempt === EXTRACTIONS) throw error;
    }
  }
}

/** What an extraction before this one, or one of the run before a reset, is still writing has another name. */
function newName(): string {
  return uuid4().slice(0, 8);
}

async function extractFromShared({ places, tables, parallel }: Extraction): Promise<Extracted> {
  const name = newName();
  let snapshot: string | undefined;
  setHandler(snapshotOpened, (signal) => {
    if (signal.extraction === name) snapshot = signal.snapshot;
  });
  const holder = new CancellationScope();
  const reading = new CancellationScope();
  let problem: unknown;
  const released = holder
    .run(() => holdSnapshot({ source: places.source, extraction: name }))
    .catch((error: unknown) => {
      problem = error;
      reading.cancel();
    });
  try {
    const extracted = await reading.run(async () => {
      await condition(() => snapshot !== undefined);
      const planned = await steps.planTables({ ...places, snapshot: snapshot!, extraction: name, tables });
      return extractChunks(planned, { places, tables, parallel }, snapshot!);
    });
    return { tables: extracted, released };
  } catch (error) {
    throw problem === undefined || isCancellation(problem) ? error : lostOr(problem);
  } finally {
    holder.cancel();
  }
}

async function extractChunks(
  planned: readonly PlannedTable[],
  { places, tables, parallel }: Omit<Extraction, 'sharesSnapshots'>,
  snapshot: string,
): Promise<ExtractedTable[]> {
  const jobs = planned.flatMap(({ name, chunks }, index) =>
    Array.from({ length: chunks }, (_, chunk) => async () => {
      const table = tables[index]!;
      const { object, rows, bytes } = await steps.extractChunk({ ...places, snapshot, table, name, chunk });
      return { object, rows, bytes };
    }),
  );
  const staged = await together(jobs, parallel);
  let from = 0;
  return planned.map(({ name, sourceRows, chunks }) => ({
    ...{ name, sourceRows },
    chunks: staged.slice(from, (from += chunks)),
  }));
}

/** Whatever ended the holder ended the snapshot, unless there never was one. */
function lostOr(problem: unknown): unknown {
  const type = failureType(problem);
  if (type === 'BadInput' || type === 'BadConfig' || type === 'NotFound') return problem;
  return ApplicationFailure.create({
    type: 'SnapshotLost',
    message: 'The connection that held the snapshot of the source is gone',
    nonRetryable: true,
    ...(problem instanceof Error ? { cause: problem } : {}),
  });
}
