/** Loads what is staged, chunk by chunk as they come, and lets it stand when all counts of all tables agree. */
import { posix } from 'node:path';
import { batchStep } from '../audit/batchScope.js';
import { checkConserved, describeCounts } from '../domain/conserved.js';
import type { TableCounts } from '../domain/conserved.js';
import { Overtaken } from '../domain/errors.js';
import { parseTableName } from '../domain/table.js';
import type {
  EarlyLoad,
  OvertakenLoad,
  PlannedTable,
  StagedChunk,
  TransferActivities,
  TransferCounts,
} from '../domain/transfer.js';
import { isoTime } from '../domain/time.js';
import type { Load, LoadCounts, LoadingTable, Staging } from '../engines/transferContract.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { claimOf } from './cursor.js';
import { chunkObject } from './staged.js';
import { StagedChunks, StillMissing } from './stagedChunks.js';
import { openChunk, readManifest } from './staging.js';

type LoadStep = Parameters<TransferActivities['loadTables']>[0];
type LoadedTable = LoadStep['tables'][number];

export function loadTables(
  connections: Connections,
  { source, staging, target, extraction, tables, mode, allowRejected, replaces }: LoadStep,
): Promise<TransferCounts | OvertakenLoad | EarlyLoad> {
  const step = batchStep();
  return beating(({ signal, report }) =>
    withPlace(connections, { role: 'openStaging', name: staging, signal }, (area) =>
      withPlace(connections, { role: 'openTarget', name: target, signal }, async (to) => {
        step.rows({ source: area.label, target: to.label });
        const chunks = new StagedChunks(extraction, signal);
        const loading = new Map<LoadingTable, LoadedTable>();
        for (const table of tables) {
          const claim = claimOf(source, table.step);
          loading.set({ ...(await loadingTable({ area, chunks, mode }, table)), claim }, table);
        }
        const total = { before: 0, after: 0, loaded: 0, rejected: 0 };
        const verified: TableCounts[] = [];
        const load: Load = {
          batch: {
            storeID: step.storeID,
            logID: step.id,
            runID: step.runID,
            loadedAt: isoTime(Date.now()),
            isStaging: false,
          },
          mode,
          replaces,
          location: area.location,
          tables: [...loading.keys()],
          allowRejected,
          onProgress: (rows) => report({ tables: verified.length, rows }),
          async verify(table, counts) {
            const all = {
              ...(await hops({ area, chunks }, loading.get(table)!)),
              ...hopsInTarget(counts),
            };
            checkConserved(all, { allowRejected });
            verified.push(all);
            for (const name of ['before', 'after', 'loaded', 'rejected'] as const)
              total[name] += counts[name];
          },
        };
        try {
          // The transaction begins when there is something for it to do.
          await load.tables[0]!.chunks[0]!.staged();
          await to.load(load);
        } catch (error) {
          if (!(error instanceof Overtaken || error instanceof StillMissing)) throw error;
          step.message(error.message);
          return error instanceof Overtaken ? { overtaken: error.message } : { waitedFor: error.object };
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

interface From {
  readonly area: Staging;
  readonly chunks: StagedChunks;
}

async function loadingTable(
  { area, chunks, mode }: From & Pick<LoadStep, 'mode'>,
  { step: { to, cursor }, planned }: LoadedTable,
): Promise<LoadingTable> {
  const { columns, key } = await readManifest(area, planned.name);
  return {
    to: parseTableName(to, 'to'),
    columns,
    key: mode === 'merge' ? key : [],
    cursor: cursor?.column,
    chunks: objectsOf(planned).map((object) => {
      const staged = async (): Promise<void> => void (await chunks.get(object));
      return { object, staged, open: async () => staged().then(() => openChunk(area, object)) };
    }),
  };
}

function objectsOf({ name, chunks }: PlannedTable): string[] {
  return Array.from({ length: chunks }, (_, chunk) => chunkObject(name, chunk));
}

async function hops(
  { area, chunks }: From,
  { step, planned }: LoadedTable,
): Promise<Pick<TableCounts, 'table' | 'source' | 'extracted' | 'staged'>> {
  const sizes = new Map(
    (await area.list(posix.dirname(planned.name))).map(({ name, bytes }) => [name, bytes]),
  );
  const staged = await Promise.all(objectsOf(planned).map((object) => chunks.get(object)));
  const sum = (of: readonly StagedChunk[]): number => of.reduce((rows, chunk) => rows + chunk.rows, 0);
  return {
    table: step.to,
    source: planned.sourceRows,
    extracted: sum(staged),
    // An object of another size is not the one that was put there.
    staged: sum(staged.filter(({ object, bytes }) => sizes.get(object) === bytes)),
  };
}

function hopsInTarget({
  ofBatch,
  ...counts
}: LoadCounts): Pick<TableCounts, 'loaded' | 'rejected' | 'inTarget' | 'before' | 'after'> {
  return { ...counts, inTarget: ofBatch };
}
