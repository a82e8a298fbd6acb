/**
 * What comes waits beside the tables, in temporary ones that have it as texts: so COPY has no value to refuse and works
 * outside of the transaction, and what is loaded, rejected or merged is decided by plain statements, row by row.
 */
import { posix } from 'node:path';
import type { FittedColumn } from '../../shared/incoming.js';
import type { LoadingTable } from '../../transferContract.js';
import { literal, quote } from './names.js';
import type { TransferSession } from './session.js';
import type { Stage } from './stage.js';
import { typeName, valueOf } from './types.js';

/** What one COPY names at most. */
const MOST_FILES = 1_000;

/** The staging dialect in Snowflake's words. */
const DIALECT = `TYPE = CSV COMPRESSION = GZIP ENCODING = 'UTF8' FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n'
  FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE
  NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE SKIP_BLANK_LINES = FALSE TRIM_SPACE = FALSE`;

export interface ChunkRows {
  readonly rows: number;
  readonly refused: number;
}

export class Incoming {
  private constructor(
    readonly session: TransferSession,
    readonly name: string,
    readonly columns: readonly FittedColumn[],
    readonly files: readonly string[],
  ) {}

  /** Makes the temporary table and fills it. `number` tells it from others of the session. Commits. */
  static async copy(
    session: TransferSession,
    stage: Stage,
    { table, columns, number }: { table: LoadingTable; columns: readonly FittedColumn[]; number: number },
  ): Promise<Incoming> {
    for (const { staged } of table.chunks) await staged();
    const objects = table.chunks.map(({ object }) => object);
    const files = objects.map((object) => posix.basename(object));
    const incoming = new Incoming(session, `BATCHTRAIL_INCOMING_${number}`, columns, files);
    const fields = columns.map((_, index) => `C${index}`);
    await session.run(
      `CREATE OR REPLACE TEMPORARY TABLE ${incoming.name} (${fields.map((field) => `${field} VARCHAR, `).join('')}FILENAME VARCHAR, FILEROW NUMBER(38,0))`,
    );
    for (let from = 0; from < objects.length; from += MOST_FILES) {
      const staged = await stage.take(objects.slice(from, from + MOST_FILES));
      await session.run(
        `COPY INTO ${incoming.name} FROM (SELECT ${fields.map((_, index) => `$${index + 1}, `).join('')}METADATA$FILENAME, METADATA$FILE_ROW_NUMBER FROM ${staged.folder})
         FILES = (${staged.files.map(literal).join(', ')}) FILE_FORMAT = (${DIALECT}) ON_ERROR = ABORT_STATEMENT`,
      );
    }
    return incoming;
  }

  /** Of each chunk, in their order. */
  async count(): Promise<ChunkRows[]> {
    const rows = await this.session.run(
      `SELECT FILENAME AS "file", COUNT(*) AS "rows", COUNT(REASON) AS "refused" FROM ${this.#judged()} GROUP BY FILENAME`,
    );
    const counts = new Map(
      rows.map(({ file, rows, refused }) => [
        posix.basename(file as string),
        { rows: Number(rows), refused: Number(refused) },
      ]),
    );
    return this.files.map((file) => counts.get(file) ?? { rows: 0, refused: 0 });
  }

  /** The first row of a chunk that is refused, and why. */
  async firstRefused(chunk: number): Promise<{ row: number; reason: string }> {
    const { text, binds } = this.refused(chunk);
    const [row] = await this.session.run(`${text} ORDER BY FILEROW LIMIT 1`, binds);
    return { row: Number(row!['FILEROW']), reason: row!['REASON'] as string };
  }

  /** A query of the rows of a chunk that are refused: number, reason and content. */
  refused(chunk: number): { text: string; binds: string[] } {
    return {
      text: `SELECT FILEROW, REASON, ${this.#content()} AS CONTENT FROM ${this.#judged()} WHERE ENDSWITH(FILENAME, ?) AND REASON IS NOT NULL`,
      binds: [`/${this.files[chunk]!}`],
    };
  }

  /** A query of the rows that the table takes, as values of its columns. */
  values(hasRefused: boolean): string {
    const values = this.columns.map(
      ({ name, type }, index) => `${valueOf(type, `I.C${index}`)} AS ${quote(name)}`,
    );
    const taken = hasRefused ? `${this.#judged()} I WHERE I.REASON IS NULL` : `${this.name} I`;
    return `SELECT ${values.join(', ')} FROM ${taken}`;
  }

  /** Each row with why it is refused, if it is. Snowflake enforces no constraint but NOT NULL. */
  #judged(): string {
    const cases = this.columns.flatMap(({ name, type, nullable }, index) => {
      const text = `C${index}`;
      const value = valueOf(type, text);
      return [
        ...(nullable ? [] : [`WHEN ${text} IS NULL THEN ${literal(`${name} must not be NULL`)}`]),
        ...(value === text
          ? []
          : [
              `WHEN ${text} IS NOT NULL AND ${value} IS NULL THEN ${literal(`${name} is ${typeName(type)} and can't be `)} || LEFT(${text}, 100)`,
            ]),
      ];
    });
    const reason = cases.length > 0 ? `CASE ${cases.join(' ')} END` : 'CAST(NULL AS VARCHAR)';
    return `(SELECT *, ${reason} AS REASON FROM ${this.name})`;
  }

  /** In the staging dialect, where quotes do no harm. */
  #content(): string {
    const fields = this.columns.map(
      (_, index) => `COALESCE('"' || REPLACE(C${index}, '"', '""') || '"', '')`,
    );
    return `${fields.join(" || ',' || ")} || CHR(10)`;
  }
}
