/**
 * A table of a source becomes rows of a staging table, by what transfers have for that: one snapshot, all of it as one
 * chunk, whose bytes go on as they come. What an earlier attempt of the batch loaded is replaced in the same transaction.
 */
import { Readable } from 'node:stream';
import { batchStep } from '../audit/batchScope.js';
import { checkConserved } from '../domain/conserved.js';
import type { EltActivities } from '../domain/elt.js';
import { parseTableName } from '../domain/table.js';
import { isoTime } from '../domain/time.js';
import type { Extraction, Snapshot } from '../engines/transferContract.js';
import type { Warehouse } from '../engines/warehouseContract.js';

type StagedFrom = Pick<Parameters<EltActivities['extractTable']>[0], 'from' | 'to' | 'replaces'>;

/** Answers how many rows. */
export async function stageTable(
  snapshot: Snapshot,
  warehouse: Warehouse,
  { from, to, replaces }: StagedFrom,
  onProgress: (rows: number) => void,
): Promise<number> {
  const { storeID, id: logID, runID } = batchStep();
  const selection = { table: parseTableName(from, 'from') };
  const { columns } = await snapshot.describe(selection);
  const source = await snapshot.count(selection);
  const [all] = await snapshot.ranges(selection, Number.MAX_SAFE_INTEGER);
  let extraction: Extraction | undefined;
  let problem: { readonly ofSource: unknown } | undefined;
  const open = async (): Promise<Readable> => {
    extraction = await snapshot.extract(selection, columns, all!);
    const pieces = told(extraction.body, (error) => (problem = { ofSource: error }));
    return Readable.from(pieces, { objectMode: false });
  };
  let staged = 0;
  try {
    await warehouse.load({
      batch: { storeID, logID, runID, loadedAt: isoTime(Date.now()), isStaging: true },
      replaces,
      mode: 'append',
      location: '',
      tables: [
        {
          to: parseTableName(to, 'to'),
          columns,
          key: [],
          chunks: [{ object: from, staged: async () => undefined, open }],
        },
      ],
      allowRejected: false,
      onProgress,
      async verify(_, { ofBatch, ...counts }) {
        const extracted = extraction!.rows();
        checkConserved(
          { table: to, source, extracted, staged: extracted, ...counts, inTarget: ofBatch },
          { allowRejected: false },
        );
        staged = counts.loaded;
      },
    });
  } catch (error) {
    // The target takes it for its own.
    throw problem ? problem.ofSource : error;
  } finally {
    // A load that failed has left it somewhere in the middle.
    extraction?.body.destroy();
  }
  return staged;
}

/** All pieces, and what goes wrong while they come; not what goes wrong with who takes them. */
async function* told(body: Readable, onError: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  for (;;) {
    const next = await pieces.next().catch((error: unknown) => {
      onError(error);
      throw error;
    });
    if (next.done) return;
    yield next.value;
  }
}
