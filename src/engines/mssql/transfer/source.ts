/**
 * SQL Server as a source. A snapshot belongs to its transaction and can't be shared, so all of a batch is read by one
 * connection. The server spells the values, so that none goes through a number or a date of JavaScript.
 */
import type { Readable } from 'node:stream';
import type { Column } from '../../../domain/columnType.js';
import { BadConfig, BadInput, NotFound } from '../../../domain/errors.js';
import { formatTableName } from '../../../domain/table.js';
import type { Field } from '../../shared/csvWriter.js';
import { asBytes, rowText } from '../../shared/csvWriter.js';
import { findColumn } from '../../shared/incoming.js';
import type {
  Bounds,
  Extraction,
  PlaceOptions,
  Selection,
  Snapshot,
  SourceTable,
  TransferSource,
} from '../../transferContract.js';
import { hasNumber, isConflict, isLost } from '../errors.js';
import type { Records } from '../session.js';
import { readUrl } from '../url.js';
import { isWithin } from './cursor.js';
import { quote, quoted } from './names.js';
import { TransferSession } from './session.js';
import type { FoundTable } from './tables.js';
import { findTable, primaryKeyOf } from './tables.js';
import { hexText, textOf } from './types.js';

const SNAPSHOTS_OFF = [3952];
const BLOCK_LENGTH = 64 * 1024;

export async function openSource(options: PlaceOptions): Promise<TransferSource> {
  const { label } = readUrl(options.url);
  const openSnapshot = async (): Promise<Snapshot> =>
    new MssqlSnapshot(await TransferSession.open(options, { isSnapshot: true }));
  return {
    label,
    sharesSnapshots: false,
    openSnapshot,
    joinSnapshot: openSnapshot,
    close: async () => undefined,
  };
}

class MssqlSnapshot implements Snapshot {
  readonly id = '';

  constructor(readonly session: TransferSession) {}

  async describe(selection: Selection): Promise<SourceTable> {
    const table = await this.#find(selection);
    const find = (name: string): Column => {
      const found = findColumn(table.columns, name);
      if (found) return found;
      throw new NotFound(
        `${formatTableName(selection.table)} of ${this.session.label} has no column ${JSON.stringify(name)}. Its columns: ${table.columns.map((one) => one.name).join(', ')}`,
      );
    };
    return {
      columns: selection.columns?.map(find) ?? table.columns,
      cursor: selection.cursor && find(selection.cursor.column),
      primaryKey: await primaryKeyOf(this.session, table.name),
    };
  }

  async count(selection: Selection): Promise<number> {
    const { count } = await this.#asked(selection, 'COUNT_BIG(*) AS [count]');
    return Number(count);
  }

  async bounds({ table, where, cursor }: Selection): Promise<Bounds | undefined> {
    const key = quote(cursor!.column);
    const { lowest, highest } = (await this.#asked(
      { table, where },
      `CONVERT(VARCHAR(20), MIN(${key})) AS [lowest], CONVERT(VARCHAR(20), MAX(${key})) AS [highest]`,
    )) as { lowest: string | null; highest: string | null };
    return lowest !== null && highest !== null ? { lowest, highest } : undefined;
  }

  async #asked(selection: Selection, what: string): Promise<Records[number]> {
    const table = await this.#find(selection);
    try {
      const [row] = await this.session.rows(`SELECT ${what} ${rowsOf(table, selection)}`);
      return row!;
    } catch (error) {
      if (hasNumber(error, SNAPSHOTS_OFF)) {
        throw new BadConfig(
          `${this.session.label} has no snapshots. Let a DBA run: ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON`,
          { cause: error },
        );
      }
      if (selection.where === undefined || isLost(error) || isConflict(error)) throw error;
      throw new BadInput(
        `${formatTableName(selection.table)}: ${this.session.label} refuses to read it: ${(error as Error).message}. Correct where`,
        { cause: error },
      );
    }
  }

  async ranges(): Promise<string[]> {
    return ['all'];
  }

  async extract(selection: Selection, columns: readonly Column[]): Promise<Extraction> {
    const table = await this.#find(selection);
    const texts = columns.map(({ name, type }) => textOf(type, quote(name)));
    const rows = this.session.stream(`SELECT ${texts.join(', ')} ${rowsOf(table, selection)}`);
    let sent = 0;
    const body = asBytes(blocks(rows, () => sent++));
    return { body, rows: () => sent };
  }

  async keepAlive(): Promise<void> {}

  close(): Promise<void> {
    return this.session.close();
  }

  async #find({ table }: Selection): Promise<FoundTable> {
    const found = await findTable(this.session, table);
    if (found) return found;
    throw new NotFound(
      `There is no table ${formatTableName(table)} in ${this.session.label}, or this user may not see it`,
    );
  }
}

async function* blocks(rows: Readable, onRow: () => void): AsyncGenerator<string> {
  let block = '';
  for await (const row of rows as AsyncIterable<Array<Field | Uint8Array>>) {
    block += rowText(row.map((value) => (value instanceof Uint8Array ? hexText(value) : value)));
    onRow();
    if (block.length < BLOCK_LENGTH) continue;
    yield block;
    block = '';
  }
  if (block !== '') yield block;
}

/** A condition stands on lines of its own, so that a comment at its end hides nothing. */
function rowsOf({ name, columns }: FoundTable, { where, cursor }: Selection): string {
  const conditions = [
    ...(where === undefined ? [] : [`(\n${where}\n)`]),
    ...(cursor ? [isWithin(findColumn(columns, cursor.column)!, cursor.kind, cursor.reads)] : []),
  ];
  return `FROM ${quoted(name)}${conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : ''}`;
}
