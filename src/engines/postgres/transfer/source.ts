/**
 * PostgreSQL as a source: `COPY … TO STDOUT`, whose bytes are the staging dialect. A snapshot is exported by the connection
 * that holds it, and read by any number of others, each a range of the table's pages.
 */
import type { Column } from '../../../domain/columnType.js';
import { BadInput, NotFound, SnapshotLost } from '../../../domain/errors.js';
import { formatTableName } from '../../../domain/table.js';
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
import { codeOf } from '../errors.js';
import { quote } from '../schemaName.js';
import { readUrl } from '../url.js';
import type { Texts } from './session.js';
import { Session } from './session.js';
import { isWithin } from './cursor.js';
import type { FoundTable } from './tables.js';
import { columnsOf, findTable, primaryKeyOf, quoted } from './tables.js';

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/** Not a known id, and one whose transaction has ended. */
const LOST = ['22023', '55000', '42704'];
/** Where the table was never analyzed. */
const ROWS_PER_PAGE = 60;
const BUFFER_BYTES = 256 * 1024;
/** A server that is busy answers later; one from which nothing comes for so long is not there any more. */
const SILENCE_MS = 30_000;

export async function openSource(options: PlaceOptions): Promise<TransferSource> {
  const { label } = readUrl(options.url);
  return {
    label,
    sharesSnapshots: true,
    async openSnapshot() {
      const session = await Session.open(options);
      return begun(session, async () => {
        await session.run(BEGIN);
        const [[id]] = (await session.rows('SELECT pg_export_snapshot()')) as [[string]];
        return new PostgresSnapshot(session, id);
      });
    },
    async joinSnapshot(id) {
      const session = await Session.open(options);
      return begun(session, async () => {
        await session.run(BEGIN);
        await session
          .run(`SET TRANSACTION SNAPSHOT '${id.replaceAll("'", "''")}'`)
          .catch((error: unknown) => {
            throw LOST.includes(codeOf(error) ?? '') ? lost(label, error) : error;
          });
        return new PostgresSnapshot(session, id);
      });
    },
    close: async () => undefined,
  };
}

async function begun(session: Session, begin: () => Promise<Snapshot>): Promise<Snapshot> {
  try {
    return await begin();
  } catch (error) {
    await session.close();
    throw error;
  }
}

function lost(label: string, cause: unknown): SnapshotLost {
  return new SnapshotLost(`${label}: the snapshot is gone, because the connection that held it is`, {
    cause,
  });
}

class PostgresSnapshot implements Snapshot {
  readonly #tables = new Map<string, FoundTable>();

  constructor(
    readonly session: Session,
    readonly id: string,
  ) {}

  async describe(selection: Selection): Promise<SourceTable> {
    const table = await this.#find(selection);
    const all = await columnsOf(this.session, table);
    const find = (name: string): Column => {
      const found = findColumn(all, name);
      if (found) return found;
      throw new NotFound(
        `${formatTableName(selection.table)} of ${this.session.label} has no column ${JSON.stringify(name)}. Its columns: ${all.map((one) => one.name).join(', ')}`,
      );
    };
    return {
      columns: selection.columns?.map(find) ?? all,
      cursor: selection.cursor && find(selection.cursor.column),
      primaryKey: await primaryKeyOf(this.session, table),
    };
  }

  /** Also the first to read the condition, as one statement: what is none goes no further. */
  async count(selection: Selection): Promise<number> {
    const [count] = await this.#asked(selection, 'count(*)');
    return Number(count);
  }

  async bounds({ table, where, cursor }: Selection): Promise<Bounds | undefined> {
    const key = quote(cursor!.column);
    const [lowest, highest] = await this.#asked({ table, where }, `min(${key}), max(${key})`);
    return lowest && highest ? { lowest, highest } : undefined;
  }

  async #asked(selection: Selection, what: string): Promise<Texts> {
    const table = await this.#find(selection);
    try {
      const [row] = await this.session.rows(`SELECT ${what} ${rowsOf(table, selection)}`);
      return row!;
    } catch (error) {
      // Without a condition, a value that can't be computed is the data's own: a view's division by zero.
      const code = codeOf(error) ?? '';
      if (!code.startsWith('42') && !(code.startsWith('22') && selection.where !== undefined)) throw error;
      const remedy = selection.where === undefined ? 'Correct' : 'Correct where, or';
      throw new BadInput(
        `${formatTableName(selection.table)}: ${this.session.label} refuses to read it: ${(error as Error).message}. ${remedy} the rights of this user`,
        { cause: error },
      );
    }
  }

  async ranges(selection: Selection, rows: number): Promise<string[]> {
    const table = await this.#find(selection);
    if (!table.isHeap) return [''];
    // A few rows of a large table are found by an index, and not in one range of pages after the other.
    if (selection.cursor && (await this.count(selection)) <= rows) return [''];
    const [[pages, perPage]] = (await this.session.rows(
      `SELECT pg_relation_size(oid) / current_setting('block_size')::int,
              CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages END
       FROM pg_catalog.pg_class WHERE oid = $1`,
      [table.oid],
    )) as [[string, string | null]];
    const step = Math.max(1, Math.ceil(rows / Number(perPage ?? ROWS_PER_PAGE)));
    const starts = Array.from(
      { length: Math.max(1, Math.ceil(Number(pages) / step)) },
      (_, index) => index * step,
    );
    // The last has no end: pages that are added later hold nothing that the snapshot sees.
    return starts.map((start, index) =>
      index + 1 < starts.length ? `${start}-${start + step}` : `${start}-`,
    );
  }

  async extract(selection: Selection, columns: readonly Column[], range: string): Promise<Extraction> {
    const { copy, client } = this.session;
    const table = await this.#find(selection);
    const names = columns.map(({ name }) => quote(name)).join(', ');
    const rows = rowsOf(table, selection, range);
    const body = client.query(
      copy.to(`COPY (SELECT ${names} ${rows}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')`, {
        highWaterMark: BUFFER_BYTES,
      }),
    );
    return { body, rows: () => body.rowCount };
  }

  async keepAlive(): Promise<void> {
    await this.session.rows('SELECT 1', [], SILENCE_MS).catch((error: unknown) => {
      throw lost(this.session.label, error);
    });
  }

  close(): Promise<void> {
    return this.session.close();
  }

  async #find({ table }: Selection): Promise<FoundTable> {
    const name = formatTableName(table);
    const found = this.#tables.get(name) ?? (await findTable(this.session, table));
    if (!found)
      throw new NotFound(`There is no table ${name} in ${this.session.label}, or this user may not see it`);
    this.#tables.set(name, found);
    return found;
  }
}

/** A condition stands on lines of its own, so that a comment at its end hides nothing. */
function rowsOf({ table }: FoundTable, { where, cursor }: Selection, range = ''): string {
  const [from, to] = range.split('-');
  const conditions = [
    ...(where === undefined ? [] : [`(\n${where}\n)`]),
    ...(cursor ? [isWithin(cursor, cursor.reads)] : []),
    ...(from ? [`ctid >= '(${from},0)'`] : []),
    ...(to ? [`ctid < '(${to},0)'`] : []),
  ];
  return `FROM ${quoted(table)}${conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : ''}`;
}
