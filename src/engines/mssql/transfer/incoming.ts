/**
 * What comes waits beside the table, in a temporary one that has it as texts, and bytes as bytes, which TDS's bulk load
 * fills: so no value goes through a number or a date of JavaScript, and what is loaded, rejected or merged is decided by
 * plain statements.
 */
import type Driver from 'mssql';
import type { FittedColumn } from '../../shared/incoming.js';
import { csvRows } from '../../shared/csvReader.js';
import type { LoadingTable } from '../../transferContract.js';
import { literal, quote } from './names.js';
import type { TransferSession } from './session.js';
import { bytesOf, typeName, valueOf } from './types.js';

const NAME = '#batchtrail_incoming';
/** What one bulk load takes, and what is in memory for it. */
const BULK_ROWS = 5_000;

export interface ChunkRows {
  readonly rows: number;
  readonly refused: number;
}

export class Incoming {
  private constructor(
    readonly session: TransferSession,
    readonly columns: readonly FittedColumn[],
    readonly chunks: number,
  ) {}

  static async copy(
    session: TransferSession,
    { table, columns }: { table: LoadingTable; columns: readonly FittedColumn[] },
    onProgress: (rows: number) => void,
  ): Promise<Incoming> {
    const isBytes = columns.map(({ type }) => type.kind === 'bytes');
    const fields = isBytes.map(
      (is, index) => `C${index} ${is ? 'VARBINARY(MAX)' : 'NVARCHAR(MAX) COLLATE DATABASE_DEFAULT'}`,
    );
    await session.runBatch(
      `DROP TABLE IF EXISTS ${NAME};
       CREATE TABLE ${NAME} (Chunk INT NOT NULL, RowNumber BIGINT NOT NULL, ${fields.join(', ')})`,
    );
    let loaded = 0;
    for (const [chunk, { open }] of table.chunks.entries()) {
      let row = 0;
      let bulk = newBulk(session, isBytes);
      const send = async (): Promise<void> => {
        if (bulk.rows.length === 0) return;
        await session.bulk(bulk);
        loaded += bulk.rows.length;
        onProgress(loaded);
        bulk = newBulk(session, isBytes);
      };
      for await (const block of csvRows(await open())) {
        for (const texts of block) {
          const values = texts.map((text, index) => (text !== null && isBytes[index] ? bytesOf(text) : text));
          bulk.rows.add(chunk, ++row, ...values);
          if (bulk.rows.length === BULK_ROWS) await send();
        }
      }
      await send();
    }
    return new Incoming(session, columns, table.chunks.length);
  }

  /** Of each chunk, in their order. */
  async count(): Promise<ChunkRows[]> {
    const rows = await this.session.rows(
      `SELECT Chunk AS [chunk], COUNT_BIG(*) AS [rows], COUNT_BIG(Reason) AS [refused] FROM ${this.#judged()} J GROUP BY Chunk`,
    );
    const counts = new Map(
      rows.map(({ chunk, rows, refused }) => [
        Number(chunk),
        { rows: Number(rows), refused: Number(refused) },
      ]),
    );
    return Array.from({ length: this.chunks }, (_, chunk) => counts.get(chunk) ?? { rows: 0, refused: 0 });
  }

  /** The first row that is refused, and why. */
  async firstRefused(): Promise<{ chunk: number; row: number; reason: string }> {
    const [first] = await this.session.rows(
      `SELECT TOP 1 Chunk AS [chunk], RowNumber AS [row], Reason AS [reason] FROM ${this.#judged()} J
       WHERE Reason IS NOT NULL ORDER BY Chunk, RowNumber`,
    );
    return {
      chunk: Number(first!['chunk']),
      row: Number(first!['row']),
      reason: first!['reason'] as string,
    };
  }

  /** A query of the rows that are refused: chunk, number, reason and content. */
  refused(): string {
    return `SELECT Chunk, RowNumber, Reason, ${this.#content()} AS Content FROM ${this.#judged()} J WHERE Reason IS NOT NULL`;
  }

  /** A query of the rows that the table takes, as values of its columns. */
  values(): string {
    const values = this.columns.map(
      ({ name, type }, index) => `${valueOf(type, `C${index}`)} AS ${quote(name)}`,
    );
    return `SELECT ${values.join(', ')} FROM ${this.#judged()} J WHERE Reason IS NULL`;
  }

  /** Each row with why it is refused, if it is. */
  #judged(): string {
    const cases = this.columns.flatMap(({ name, type, nullable }, index) => {
      const text = `C${index}`;
      const value = valueOf(type, text);
      return [
        ...(nullable ? [] : [`WHEN ${text} IS NULL THEN ${literal(`${name} must not be NULL`)}`]),
        ...(value === text
          ? []
          : [
              `WHEN ${text} IS NOT NULL AND ${value} IS NULL THEN ${literal(`${name} is ${typeName(type)} and can't be `)} + LEFT(${text}, 100)`,
            ]),
      ];
    });
    const reason = cases.length > 0 ? `CASE ${cases.join(' ')} END` : 'CAST(NULL AS NVARCHAR(MAX))';
    return `(SELECT *, ${reason} AS Reason FROM ${NAME})`;
  }

  /** In the staging dialect, where quotes do no harm. */
  #content(): string {
    const fields = this.columns.map(({ type }, index) =>
      type.kind === 'bytes'
        ? `COALESCE(N'"\\x' + LOWER(CONVERT(VARCHAR(MAX), C${index}, 2)) + N'"', N'')`
        : `COALESCE(N'"' + REPLACE(C${index}, N'"', N'""') + N'"', N'')`,
    );
    return `${fields.join(" + N',' + ")} + NCHAR(10)`;
  }
}

function newBulk({ db: { driver } }: TransferSession, isBytes: readonly boolean[]): Driver.Table {
  const bulk = new driver.Table(NAME);
  bulk.columns.add('Chunk', driver.Int, { nullable: false });
  bulk.columns.add('RowNumber', driver.BigInt, { nullable: false });
  for (const [index, is] of isBytes.entries()) {
    const { MAX } = driver;
    bulk.columns.add(`C${index}`, is ? driver.VarBinary(MAX) : driver.NVarChar(MAX), { nullable: true });
  }
  return bulk;
}
