/** A folder of SQLite files as a target. A batch's tables stand in one file, because two files don't commit together. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { BadInput } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import { fitColumns } from '../../shared/incoming.js';
import type {
  IncomingTable,
  LedgerInterval,
  Load,
  PlaceOptions,
  TransferTarget,
} from '../../transferContract.js';
import { folderOf, hasTable, openForReading, patiently } from '../connect.js';
import { pipelineFile } from '../tables.js';
import { fullName, intervalsOf } from './ledger.js';
import { loadInThread } from './loaderThread.js';
import { columnsOf, nameOf } from './tables.js';

export async function openTarget({ url, signal }: PlaceOptions): Promise<TransferTarget> {
  return new SqliteTarget(folderOf(url), signal);
}

class SqliteTarget implements TransferTarget {
  readonly label: string;
  readonly takesObjects = false;

  constructor(
    readonly folder: string,
    readonly signal: AbortSignal,
  ) {
    this.label = `sqlite:${basename(folder)}`;
  }

  async check(tables: readonly IncomingTable[], _mode: TransferMode): Promise<void> {
    const file = this.#fileOf(namesOf(tables));
    if (!existsSync(file)) {
      for (const table of tables) fitColumns(table, undefined);
      return;
    }
    const db = await openForReading(file);
    try {
      await patiently(() => {
        for (const table of tables) fitColumns(table, columnsOf(db, nameOf(db, table.to)));
      });
    } finally {
      db.close();
    }
  }

  async load(load: Load): Promise<void> {
    const { batch, replaces, mode, allowRejected } = load;
    const file = this.#fileOf(namesOf(load.tables));
    const tables = load.tables.map((table) => ({ ...table, chunks: table.chunks.length }));
    await loadInThread(
      { file, label: this.label, batch, replaces, mode, allowRejected, tables },
      load,
      this.signal,
    );
  }

  async intervals(tables: readonly TableName[]): Promise<LedgerInterval[][]> {
    const file = this.#fileOf(tables);
    if (!existsSync(file)) return tables.map(() => []);
    const db = await openForReading(file);
    try {
      return await patiently(() => {
        const hasLedger = hasTable(db, 'BatchInterval');
        return tables.map((to) => (hasLedger ? intervalsOf(db, fullName(file, nameOf(db, to))) : []));
      });
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {}

  #fileOf(tables: readonly TableName[]): string {
    const files = new Set(tables.map(({ schema }) => pipelineFile(this.folder, schema)));
    if (files.size > 1) {
      throw new BadInput(
        `The tables of a transfer to ${this.label} must have one schema, because a schema is a file there and two files don't commit together. ` +
          'Make a transfer of its own for each schema',
      );
    }
    return [...files][0]!;
  }
}

function namesOf(tables: readonly IncomingTable[]): TableName[] {
  return tables.map(({ to }) => to);
}
