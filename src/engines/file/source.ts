/**
 * CSV files as a source: the table `sales.orders` is the file `sales/orders.csv` of the folder. The first row names the
 * columns; an empty field is NULL, an empty text stands in quotes; all values are texts.
 */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ANY_TEXT } from '../../domain/columnType.js';
import type { Column } from '../../domain/columnType.js';
import { BadInput, NotFound } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import { csvRows } from '../shared/csvReader.js';
import { asBytes, rowText } from '../shared/csvWriter.js';
import type { Field } from '../shared/csvWriter.js';
import type {
  Extraction,
  PlaceOptions,
  Selection,
  Snapshot,
  SourceTable,
  TransferSource,
} from '../transferContract.js';
import { folderOf, labelOf } from './folder.js';

const READ_BYTES = 64 * 1024;

export async function openSource({ url, signal }: PlaceOptions): Promise<TransferSource> {
  const folder = folderOf(url);
  const label = labelOf(folder);
  const openSnapshot = async (): Promise<Snapshot> => new FileSnapshot(folder, label, signal);
  return {
    label,
    sharesSnapshots: false,
    openSnapshot,
    joinSnapshot: openSnapshot,
    close: async () => undefined,
  };
}

interface OpenFile {
  readonly handle: FileHandle;
  /** Size and time of the last change, as they were at first. */
  readonly state: string;
}

/** Files that are replaced meanwhile don't matter, because they stay open; files that are changed are an error. */
class FileSnapshot implements Snapshot {
  readonly id = '';
  readonly #files = new Map<string, OpenFile>();

  constructor(
    readonly folder: string,
    readonly label: string,
    readonly signal: AbortSignal,
  ) {}

  async describe({ table, columns, where, cursor }: Selection): Promise<SourceTable> {
    if (where !== undefined || cursor !== undefined) {
      throw new BadInput(
        `${formatTableName(table)} is a CSV file, from which rows can't be chosen. Leave out where and cursor`,
      );
    }
    const header = await this.#header(table);
    const wanted = columns ?? header;
    const missing = wanted.find((name) => !header.includes(name));
    if (missing !== undefined) {
      throw new NotFound(
        `${formatTableName(table)} of ${this.label} has no column ${JSON.stringify(missing)}. Its columns: ${header.join(', ')}`,
      );
    }
    return { columns: wanted.map((name) => ({ name, type: ANY_TEXT, nullable: true })), primaryKey: [] };
  }

  async count({ table }: Selection): Promise<number> {
    let rows = -1;
    for await (const block of this.#read(table)) rows += block.length;
    return Math.max(0, rows);
  }

  /** Nobody asks: `describe` refuses a cursor. */
  async bounds(): Promise<undefined> {}

  async ranges(): Promise<string[]> {
    return ['all'];
  }

  async extract({ table }: Selection, columns: readonly Column[]): Promise<Extraction> {
    let rows = 0;
    const texts = async function* (this: FileSnapshot): AsyncGenerator<string> {
      const header = await this.#header(table);
      const places = columns.map(({ name }) => header.indexOf(name));
      let isFirst = true;
      for await (const block of this.#read(table)) {
        const values = isFirst ? block.slice(1) : block;
        isFirst = false;
        let text = '';
        for (const row of values) {
          if (row.length !== header.length) {
            throw new BadInput(
              `${formatTableName(table)} of ${this.label}: row ${rows + 1} has ${row.length} fields, and the first row names ${header.length}`,
            );
          }
          text += rowText(places.map((place) => row[place]!));
          rows++;
        }
        if (text !== '') yield text;
      }
    };
    return { body: asBytes(texts.call(this)), rows: () => rows };
  }

  async keepAlive(): Promise<void> {}

  async close(): Promise<void> {
    for (const { handle } of this.#files.values()) await handle.close();
  }

  async #header(table: TableName): Promise<string[]> {
    for await (const [first] of this.#read(table)) {
      const names = first!.map((name) => name ?? '');
      const twice = names.find((name, index) => name === '' || names.indexOf(name) !== index);
      if (twice === undefined) return names;
      throw new BadInput(
        `The first row of ${formatTableName(table)} of ${this.label} must name each column once, and names ${JSON.stringify(twice)} ${twice === '' ? 'at least once' : 'twice'}`,
      );
    }
    throw new BadInput(
      `${formatTableName(table)} of ${this.label} is empty: its first row must name the columns`,
    );
  }

  async *#read(table: TableName): AsyncGenerator<Field[][]> {
    const { handle, state } = await this.#open(table);
    yield* csvRows(this.#bytes(handle), { carriageReturns: true });
    if ((await stateOf(handle)) !== state) {
      throw new Error(`${formatTableName(table)} of ${this.label} was changed while it was read`);
    }
  }

  /** From the beginning, as often as it is asked for; a stream would close the file. */
  async *#bytes(handle: FileHandle): AsyncGenerator<Buffer> {
    for (let position = 0; ;) {
      this.signal.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(READ_BYTES),
        0,
        READ_BYTES,
        position,
      );
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async #open(table: TableName): Promise<OpenFile> {
    const name = formatTableName(table);
    const known = this.#files.get(name);
    if (known) return known;
    const parts = [table.schema, table.name];
    if (parts.some((part) => /^\.\.?$|[/\\]/.test(part))) {
      throw new BadInput(`${name} can't be the name of a file`);
    }
    const file = join(this.folder, table.schema, `${table.name}.csv`);
    const handle = await open(file).catch((error: unknown) => {
      throw new NotFound(
        `${this.label} has no file ${table.schema}/${table.name}.csv that can be read (${(error as NodeJS.ErrnoException).code})`,
        { cause: error },
      );
    });
    const opened = { handle, state: await stateOf(handle) };
    this.#files.set(name, opened);
    return opened;
  }
}

async function stateOf(handle: FileHandle): Promise<string> {
  const { size, mtimeMs } = await handle.stat();
  return `${size} ${mtimeMs}`;
}
