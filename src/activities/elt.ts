/** The steps of the `elt` pipeline. Each reports what it did to the audit and stamps its rows with the BatchID. */
import { batch, batchStep } from '../audit/batchScope.js';
import type { EltActivities, StagedTable } from '../domain/elt.js';
import { NotFound } from '../domain/errors.js';
import { formatTableName, parseTableName } from '../domain/table.js';
import type { Warehouse } from '../engines/warehouseContract.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { withSnapshot } from './reading.js';
import { stageTable } from './stageTable.js';

export function eltActivities(connections: Connections): EltActivities {
  const withWarehouse = <T>(
    name: string,
    signal: AbortSignal,
    work: (warehouse: Warehouse) => Promise<T>,
  ): Promise<T> => withPlace(connections, { role: 'openWarehouse', name, signal }, work);
  return {
    extractTable({ source, target, ...table }) {
      const current = batchStep();
      return beating(({ signal, report }) =>
        withPlace(connections, { role: 'openSource', name: source, signal }, (origin) =>
          withWarehouse(target, signal, async (warehouse) => {
            current.rows({ source: origin.label, target: warehouse.label });
            await warehouse.beforeReading?.(parseTableName(table.to, 'to'));
            const rowsProcessed = await withSnapshot(origin, undefined, (snapshot) =>
              stageTable(snapshot, warehouse, table, (rows) => report({ rows })),
            );
            current.rows({ processed: rowsProcessed });
            return { rowsProcessed };
          }),
        ),
      );
    },

    runTransform({ target, transform, staged, countTable }) {
      const current = batch();
      const name = parseTableName(transform, 'transform');
      const table = parseTableName(countTable, 'countTable');
      return beating(({ signal }) =>
        withWarehouse(target, signal, async (warehouse) => {
          current.rows({ source: warehouse.label, target: warehouse.label });
          await checkStaging(warehouse, current.id, staged);
          const before = await warehouse.count(table, current.id);
          await warehouse.transform(name, current.id);
          const after = await warehouse.count(table, current.id);
          const rowsProcessed = staged.reduce((sum, { rows }) => sum + rows, 0);
          current.rows({ before: before.total, after: after.total, processed: rowsProcessed });
          return { rowsProcessed };
        }),
      );
    },

    countRows({ target, countTable }) {
      const current = batch();
      const table = parseTableName(countTable, 'countTable');
      return beating(({ signal }) =>
        withWarehouse(target, signal, async (warehouse) => {
          const { total, ofBatch } = await warehouse.count(table, current.id);
          current.rows({ processed: ofBatch, target: warehouse.label });
          current.message(`${formatTableName(table)} has ${total} rows, ${ofBatch} of them of this batch`);
          return { rowsProcessed: ofBatch };
        }),
      );
    },
  };
}

/** A transform of rows that were purged meanwhile would load less than what was extracted, and call that a success. */
async function checkStaging(
  warehouse: Warehouse,
  batchID: number,
  staged: readonly StagedTable[],
): Promise<void> {
  for (const { to, rows } of staged) {
    const { ofBatch } = await warehouse.count(parseTableName(to, 'staged'), batchID);
    if (ofBatch !== rows) {
      throw new NotFound(
        `The staging rows of batch ${batchID} are gone: ${to} of ${warehouse.label} holds ${ofBatch}, and ${rows} were extracted. ` +
          'Start a new run, which extracts again',
      );
    }
  }
}
