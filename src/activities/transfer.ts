/** The steps of the transfers. Rows go from stream to stream; what is between steps is in the staging area. */
import { activityInfo } from '@temporalio/activity';
import { batchStep } from '../audit/batchScope.js';
import type { Column } from '../domain/columnType.js';
import { BadInput } from '../domain/errors.js';
import { parseTableName } from '../domain/table.js';
import type { Manifest, TableStep, TransferActivities, TransferMode } from '../domain/transfer.js';
import type { IncomingTable, Snapshot, Staging } from '../engines/transferContract.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { holdSnapshot } from './holdSnapshot.js';
import { loadTables } from './loadTables.js';
import { cleanStaging } from './cleanStaging.js';
import { checkCursor } from './cursor.js';
import { planIntervals } from './planIntervals.js';
import { inOrder, selectionOf, withSnapshot } from './reading.js';
import { readManifest, stageChunk, writeManifest } from './staging.js';
import { batchFolder, tableObjects } from './staged.js';

export function transferActivities(connections: Connections): TransferActivities {
  return {
    prepareTransfer({ source, staging, target, tables, mode }) {
      return beating(({ signal }) =>
        withPlace(connections, { role: 'openSource', name: source, signal }, (from) =>
          withPlace(connections, { role: 'openStaging', name: staging, signal }, (area) =>
            withPlace(connections, { role: 'openTarget', name: target, signal }, async (to) => {
              batchStep().rows({ source: from.label, target: to.label });
              await area.list(batchFolder(batchStep()));
              const incoming = await withSnapshot(from, undefined, (snapshot) =>
                inOrder(tables, (table) => incomingTable(snapshot, table, mode)),
              );
              await to.check(incoming, mode, area.location);
              return {
                sharesSnapshots: from.sharesSnapshots,
                compresses: area.isRemote || to.takesObjects,
              };
            }),
          ),
        ),
      );
    },

    planIntervals: (step) => planIntervals(connections, step),

    holdSnapshot: (step) => holdSnapshot(connections, step),

    planTables({ source, staging, compresses, snapshot, extraction, tables }) {
      return beating(({ signal, report }) =>
        withPlace(connections, { role: 'openSource', name: source, signal }, (from) =>
          withPlace(connections, { role: 'openStaging', name: staging, signal }, (area) =>
            withSnapshot(from, snapshot, (joined) =>
              inOrder(tables, async (table, index) => {
                report({ tables: index });
                const name = tableObjects(batchStep(), table.to, index, extraction);
                const { ranges } = await describe(joined, area, { table, name, compresses });
                const sourceRows = await joined.count(selectionOf(table));
                return { name, sourceRows, chunks: ranges.length };
              }),
            ),
          ),
        ),
      );
    },

    extractChunk({ source, staging, snapshot, table, name, chunk }) {
      return beating(({ signal, report }) =>
        withPlace(connections, { role: 'openSource', name: source, signal }, (from) =>
          withPlace(connections, { role: 'openStaging', name: staging, signal }, async (area) => {
            batchStep().rows({ source: from.label, target: area.label });
            const { columns, ranges, compresses } = await readManifest(area, name);
            return withSnapshot(from, snapshot, async (joined) => {
              const { body, rows } = await joined.extract(selectionOf(table), columns, ranges[chunk]!);
              const staged = await stageChunk(area, {
                ...{ name, chunk, body, rows, compresses, signal, report },
              });
              batchStep().message(
                `${table.from}, chunk ${chunk + 1} of ${ranges.length}: ${staged.bytes} bytes`,
              );
              return { ...staged, rowsProcessed: staged.rows };
            });
          }),
        ),
      );
    },

    extractTables({ source, staging, compresses, extraction, tables }) {
      return beating(({ signal, report }) =>
        withPlace(connections, { role: 'openSource', name: source, signal }, (from) =>
          withPlace(connections, { role: 'openStaging', name: staging, signal }, async (area) => {
            batchStep().rows({ source: from.label, target: area.label });
            // An attempt that was given up may still be writing.
            const own = `${extraction}-${activityInfo().attempt}`;
            const extracted = await withSnapshot(from, undefined, (snapshot) =>
              inOrder(tables, async (table, index) => {
                const name = tableObjects(batchStep(), table.to, index, own);
                const { columns, ranges } = await describe(snapshot, area, { table, name, compresses });
                const selection = selectionOf(table);
                const sourceRows = await snapshot.count(selection);
                const chunks = await inOrder(ranges, async (range, chunk) => {
                  const { body, rows } = await snapshot.extract(selection, columns, range);
                  return stageChunk(area, { name, chunk, body, rows, compresses, signal, report });
                });
                return { name, sourceRows, chunks };
              }),
            );
            const rowsProcessed = extracted
              .flatMap(({ chunks }) => chunks)
              .reduce((sum, { rows }) => sum + rows, 0);
            return { tables: extracted, rowsProcessed };
          }),
        ),
      );
    },

    loadTables: (step) => loadTables(connections, step),
    cleanStaging: (step) => cleanStaging(connections, step),
  };
}

async function incomingTable(
  snapshot: Snapshot,
  table: TableStep,
  mode: TransferMode,
): Promise<IncomingTable> {
  const described = await snapshot.describe(selectionOf(table));
  const { columns, primaryKey } = described;
  checkCursor(table, described);
  const key = mode === 'merge' ? keyOf(table, columns, primaryKey) : [];
  return { to: parseTableName(table.to, 'to'), columns, key, cursor: described.cursor?.name };
}

function keyOf(
  table: TableStep,
  columns: readonly Column[],
  primaryKey: readonly string[],
): readonly string[] {
  const key = table.key ?? primaryKey;
  if (key.length === 0) {
    throw new BadInput(
      `${table.from} has no primary key, so mode merge needs key: the columns that tell its rows apart`,
    );
  }
  const missing = key.find((name) => !columns.some((column) => column.name === name));
  if (missing === undefined) return key;
  throw new BadInput(
    `${table.from}: the key column ${missing} is not among the columns that are transferred: ${columns.map(({ name }) => name).join(', ')}`,
  );
}

/** Writes down for the steps that follow what the table is in this snapshot. */
async function describe(
  snapshot: Snapshot,
  area: Staging,
  { table, name, compresses }: { table: TableStep; name: string; compresses: boolean },
): Promise<Manifest> {
  const selection = selectionOf(table);
  const { columns, primaryKey } = await snapshot.describe(selection);
  const ranges = await snapshot.ranges(selection, table.chunkRows);
  const manifest = { columns, key: table.key ?? primaryKey, ranges, compresses };
  await writeManifest(area, name, manifest);
  return manifest;
}
