/** Puts numbered rows into a table of a warehouse, as the extraction of an `elt` batch does, or as a transfer does. */
import { Readable } from 'node:stream';
import { parseTableName } from '../../src/domain/table.js';
import type { BatchKey } from '../../src/engines/transferContract.js';
import type { Warehouse } from '../../src/engines/warehouseContract.js';

export function stageRows(
  warehouse: Warehouse,
  table: string,
  batch: BatchKey,
  ids: readonly number[],
  isStaging = true,
): Promise<void> {
  return warehouse.load({
    batch: { ...batch, runID: 'run', loadedAt: '2026-01-01T00:00:00.000Z', isStaging },
    replaces: [],
    mode: 'append',
    location: '',
    tables: [
      {
        to: parseTableName(table, 'table'),
        columns: [{ name: 'ID', type: { kind: 'integer', bits: 64 }, nullable: false }],
        key: [],
        chunks: [
          {
            object: 'rows',
            staged: async () => undefined,
            open: async () => Readable.from([Buffer.from(ids.map((id) => `${id}\n`).join(''))]),
          },
        ],
      },
    ],
    allowRejected: false,
    onProgress: () => undefined,
    verify: async () => undefined,
  });
}
