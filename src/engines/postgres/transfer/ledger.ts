/** What the target knows of the batches that loaded it, in the schema of their tables. */
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import type { Takeover } from '../../shared/intervals.js';
import { checkNoneUnlisted, checkOwnListed } from '../../shared/unlistedRows.js';
import type { BatchStamp, Claim, LedgerInterval } from '../../transferContract.js';
import { quote } from '../schemaName.js';
import { isWithin } from './cursor.js';
import type { Session } from './session.js';
import { quoted } from './tables.js';

/** All names in lower case, so that people need no quotes. */
const TABLES = (schema: string): string => `
  CREATE TABLE IF NOT EXISTS ${schema}.batchload (
    storeid text NOT NULL, logid bigint NOT NULL, runid text NOT NULL, tablename text NOT NULL,
    chunk integer NOT NULL, rows bigint NOT NULL, loadedat timestamp with time zone NOT NULL,
    staging boolean NOT NULL,
    PRIMARY KEY (tablename, logid, storeid, chunk)
  );
  CREATE TABLE IF NOT EXISTS ${schema}.batchinterval (
    tablename text NOT NULL, source text NOT NULL, "from" text NOT NULL, "to" text NOT NULL,
    storeid text NOT NULL, logid bigint NOT NULL,
    PRIMARY KEY (tablename, source, "from")
  );
  CREATE TABLE IF NOT EXISTS ${schema}.batchrejected (
    storeid text NOT NULL, logid bigint NOT NULL, tablename text NOT NULL, chunk integer NOT NULL,
    "row" bigint NOT NULL, reason text NOT NULL, content text NOT NULL,
    PRIMARY KEY (tablename, logid, storeid, chunk, "row")
  )`;

export interface Rejected {
  readonly chunk: number;
  /** In the chunk, from 1. */
  readonly row: number;
  readonly reason: string;
  /** In the staging dialect. */
  readonly content: string;
}

export async function hasLedger(session: Session, schema: string): Promise<boolean> {
  const rows = await session.rows(
    `SELECT relname FROM pg_catalog.pg_class C JOIN pg_catalog.pg_namespace N ON N.oid = C.relnamespace
     WHERE N.nspname = $1 AND relname IN ('batchload', 'batchinterval', 'batchrejected')`,
    [schema],
  );
  return rows.length === 3;
}

/** Makes the ledger's tables when they are missing; who may not create any needs them made. */
export async function makeLedger(session: Session, schema: string): Promise<void> {
  if (!(await hasLedger(session, schema))) await session.run(TABLES(quote(schema)));
}

/** All intervals of a table, whose schema has a ledger. */
export async function intervalsOf(session: Session, table: TableName): Promise<LedgerInterval[]> {
  const rows = await session.rows(
    `SELECT source, "from", "to", storeid, logid FROM ${quote(table.schema)}.batchinterval
     WHERE tablename = $1 ORDER BY source, "from"`,
    [formatTableName(table)],
  );
  return rows.map(([source, from, to, storeID, logID]) => ({
    ...{ source: source!, from: from!, to: to!, storeID: storeID!, logID: Number(logID) },
  }));
}

/** The ledger of one table and one batch, in a transaction that is open. */
export class Ledger {
  readonly #schema: string;
  readonly #name: string;

  constructor(
    readonly session: Session,
    readonly table: TableName,
    readonly batch: BatchStamp,
  ) {
    this.#schema = quote(table.schema);
    this.#name = formatTableName(table);
  }

  /** Of another batch of the same store. */
  of(logID: number): Ledger {
    return new Ledger(this.session, this.table, { ...this.batch, logID });
  }

  /** Rows of this batch that the ledger does not list are another store's, or a person's. */
  async checkListed(): Promise<void> {
    const { storeID, logID } = this.batch;
    const { ofBatch } = await this.countRows();
    const listed = await this.#count(
      `SELECT coalesce(sum(rows), 0) FROM ${this.#schema}.batchload WHERE tablename = $1 AND logid = $2 AND storeid = $3`,
      [this.#name, logID, storeID],
    );
    checkOwnListed(this.#name, this.batch, { rows: ofBatch, listed });
  }

  /** For a replacement, every row must be one that some batch of the ledger loaded: none has more than it lists. */
  async checkAllListed(): Promise<void> {
    const rows = await this.#count(
      `SELECT coalesce(sum(T.rows - coalesce(L.rows, 0)), 0)
       FROM (SELECT batchid, count(*) AS rows FROM ${quoted(this.table)} GROUP BY batchid) AS T
       LEFT JOIN (SELECT logid, sum(rows) AS rows FROM ${this.#schema}.batchload WHERE tablename = $1 GROUP BY logid) AS L
         ON L.logid = T.batchid
       WHERE T.rows > coalesce(L.rows, 0)`,
      [this.#name],
    );
    checkNoneUnlisted(this.#name, rows);
  }

  /**
   * For a batch that takes the place of this one. A merge may not read again all that this one had merged: those rows
   * stay, with what the ledger says of them.
   */
  async makeRoom(mode: TransferMode): Promise<void> {
    if (mode !== 'merge') return this.removeOwn();
    const { storeID, logID } = this.batch;
    await this.session.rows(
      `DELETE FROM ${this.#schema}.batchinterval WHERE tablename = $1 AND logid = $2 AND storeid = $3`,
      [this.#name, logID, storeID],
    );
  }

  /** Takes out what this batch put in. */
  async removeOwn(): Promise<void> {
    const { storeID, logID } = this.batch;
    await this.session.rows(`DELETE FROM ${quoted(this.table)} WHERE batchid = $1`, [logID]);
    for (const list of ['batchload', 'batchinterval', 'batchrejected']) {
      await this.session.rows(
        `DELETE FROM ${this.#schema}.${list} WHERE tablename = $1 AND logid = $2 AND storeid = $3`,
        [this.#name, logID, storeID],
      );
    }
  }

  /** Not TRUNCATE, which would keep readers away until the transaction ends. */
  async removeAll(): Promise<void> {
    await this.session.run(`DELETE FROM ${quoted(this.table)}`);
    for (const list of ['batchload', 'batchinterval']) {
      await this.session.rows(`DELETE FROM ${this.#schema}.${list} WHERE tablename = $1`, [this.#name]);
    }
  }

  async add(chunk: number, rows: number): Promise<void> {
    const { storeID, logID, runID, isStaging } = this.batch;
    await this.session.rows(
      `INSERT INTO ${this.#schema}.batchload VALUES ($1, $2, $3, $4, $5, $6, transaction_timestamp(), $7)`,
      [storeID, logID, runID, this.#name, chunk, rows, isStaging],
    );
  }

  intervals(): Promise<LedgerInterval[]> {
    return intervalsOf(this.session, this.table);
  }

  /** Takes out the rows of these intervals, as far as batches brought them that the ledger lists for the same source. */
  async removeRows({ source, kind, intervals }: Claim, column: string): Promise<void> {
    await this.session.rows(
      `DELETE FROM ${quoted(this.table)} WHERE ${isWithin({ column, kind }, intervals)}
       AND batchid IN (SELECT logid FROM ${this.#schema}.batchinterval WHERE tablename = $1 AND source = $2)`,
      [this.#name, source],
    );
  }

  async changeIntervals({ removed, added }: Takeover): Promise<void> {
    for (const { source, from } of removed) {
      await this.session.rows(
        `DELETE FROM ${this.#schema}.batchinterval WHERE tablename = $1 AND source = $2 AND "from" = $3`,
        [this.#name, source, from],
      );
    }
    for (const { source, from, to, storeID, logID } of added) {
      await this.session.rows(`INSERT INTO ${this.#schema}.batchinterval VALUES ($1, $2, $3, $4, $5, $6)`, [
        ...[this.#name, source, from, to, storeID, logID],
      ]);
    }
  }

  async keepRejected({ chunk, row, reason, content }: Rejected): Promise<void> {
    const { storeID, logID } = this.batch;
    await this.session.rows(`INSERT INTO ${this.#schema}.batchrejected VALUES ($1, $2, $3, $4, $5, $6, $7)`, [
      ...[storeID, logID, this.#name, chunk, row, reason, content],
    ]);
  }

  async countRows(): Promise<{ total: number; ofBatch: number }> {
    const [[total, ofBatch]] = (await this.session.rows(
      `SELECT count(*), count(*) FILTER (WHERE batchid = $1) FROM ${quoted(this.table)}`,
      [this.batch.logID],
    )) as [[string, string]];
    return { total: Number(total), ofBatch: Number(ofBatch) };
  }

  async #count(sql: string, values: readonly unknown[]): Promise<number> {
    const [[count]] = (await this.session.rows(sql, values)) as [[string]];
    return Number(count);
  }
}
