/** Loads what was extracted, when all counts of all tables agree. */
import { batchStep } from '../audit/batchScope.js';
import { checkConserved, describeCounts } from '../domain/conserved.js';
import type { TableCounts } from '../domain/conserved.js';
import { Overtaken } from '../domain/errors.js';
import { parseTableName } from '../domain/table.js';
import type {
  ExtractedTable,
  OvertakenLoad,
  TableStep,
  TransferActivities,
  TransferCounts,
} from '../domain/transfer.js';
import { isoTime } from '../domain/time.js';
import type { Load, LoadCounts, LoadingTable, Staging } from '../engines/transferContract.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { claimOf } from './cursor.js';
import { batchFolder } from './staged.js';
import { openChunk, readManifest } from './staging.js';

type LoadStep = Parameters<TransferActivities['loadTables']>[0];

export function loadTables(
  connections: Connections,
  { source, staging, target, tables, mode, allowRejected, replaces }: LoadStep,
): Promise<TransferCounts | OvertakenLoad> {
  const step = batchStep();
  return beating(({ signal, report }) =>
    withPlace(connections, { role: 'openStaging', name: staging, signal }, (area) =>
      withPlace(connections, { role: 'openTarget', name: target, signal }, async (to) => {
        step.rows({ source: area.label, target: to.label });
        const stagedSizes = await sizesOf(area, batchFolder(step));
        const loading = new Map<LoadingTable, Hops>();
        for (const { step: table, extracted } of tables) {
          const claim = claimOf(source, table);
          loading.set(
            { ...(await loadingTable(area, table, extracted, mode)), claim },
            hops(table, extracted, stagedSizes),
          );
        }
        const total = { before: 0, after: 0, loaded: 0, rejected: 0 };
        const verified: TableCounts[] = [];
        const load: Load = {
          batch: { storeID: step.storeID, logID: step.id, runID: step.runID, loadedAt: isoTime(Date.now()) },
          mode,
          replaces,
          location: area.location,
          tables: [...loading.keys()],
          allowRejected,
          onProgress: (rows) => report({ tables: verified.length, rows }),
          async verify(table, counts) {
            const all = { ...loading.get(table)!, ...hopsInTarget(counts) };
            checkConserved(all, { allowRejected });
            verified.push(all);
            for (const name of ['before', 'after', 'loaded', 'rejected'] as const)
              total[name] += counts[name];
          },
        };
        try {
          await to.load(load);
        } catch (error) {
          if (!(error instanceof Overtaken)) throw error;
          step.message(error.message);
          return { overtaken: error.message };
        }
        // Only now: what a transaction that was taken back has counted is nobody's count.
        for (const counts of verified) step.log(counts.table, { message: describeCounts(counts) });
        const { before, after, loaded, rejected } = total;
        step.rows({ before, after, processed: loaded, rejected });
        return {
          rowsProcessed: loaded,
          rowsRejected: rejected,
          recordCountBefore: before,
          recordCountAfter: after,
        };
      }),
    ),
  );
}

async function loadingTable(
  area: Staging,
  { to, cursor }: TableStep,
  { name, chunks }: ExtractedTable,
  mode: LoadStep['mode'],
): Promise<LoadingTable> {
  const { columns, key } = await readManifest(area, name);
  return {
    to: parseTableName(to, 'to'),
    columns,
    key: mode === 'merge' ? key : [],
    cursor: cursor?.column,
    chunks: chunks.map(({ object, rows }) => ({ rows, object, open: () => openChunk(area, object) })),
  };
}

type Hops = Pick<TableCounts, 'table' | 'source' | 'extracted' | 'staged'>;

function hops(
  { to }: TableStep,
  { sourceRows, chunks }: ExtractedTable,
  sizes: ReadonlyMap<string, number>,
): Hops {
  const sum = (of: ExtractedTable['chunks']): number => of.reduce((rows, chunk) => rows + chunk.rows, 0);
  return {
    table: to,
    source: sourceRows,
    extracted: sum(chunks),
    // An object of another size is not the one that was put there.
    staged: sum(chunks.filter(({ object, bytes }) => sizes.get(object) === bytes)),
  };
}

function hopsInTarget({
  loaded,
  rejected,
  ofBatch,
}: LoadCounts): Pick<TableCounts, 'loaded' | 'rejected' | 'inTarget'> {
  return { loaded, rejected, inTarget: ofBatch };
}

async function sizesOf(area: Staging, prefix: string): Promise<Map<string, number>> {
  return new Map((await area.list(prefix)).map(({ name, bytes }) => [name, bytes]));
}
