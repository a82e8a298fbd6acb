/** What the target knows of the batches that loaded it, in the schema of their tables. */
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import { checkNoneUnlisted, checkOwnListed } from '../../shared/unlistedRows.js';
import type { BatchStamp } from '../../transferContract.js';
import type { Inputs } from '../session.js';
import { quote, quoted } from './names.js';
import type { TransferSession } from './session.js';

/** As far as keys go: 900 bytes. */
const TABLES: Readonly<Record<string, string>> = {
  BatchLoad: `StoreID NVARCHAR(36) NOT NULL, LogID BIGINT NOT NULL, RunID NVARCHAR(100) NOT NULL, TableName NVARCHAR(300) NOT NULL,
    Chunk INT NOT NULL, [Rows] BIGINT NOT NULL, LoadedAt DATETIME2(3) NOT NULL, PRIMARY KEY (TableName, LogID, StoreID, Chunk)`,
  BatchRejected: `StoreID NVARCHAR(36) NOT NULL, LogID BIGINT NOT NULL, TableName NVARCHAR(300) NOT NULL, Chunk INT NOT NULL,
    [Row] BIGINT NOT NULL, Reason NVARCHAR(MAX) NOT NULL, Content NVARCHAR(MAX) NOT NULL, PRIMARY KEY (TableName, LogID, StoreID, Chunk, [Row])`,
};

/** Makes the ledger's tables when they are missing; who may not create any needs them made. */
export async function makeLedger(session: TransferSession, schema: string): Promise<void> {
  const rows = await session.rows(
    `SELECT LOWER(TABLE_NAME) AS [name] FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = @schema AND TABLE_NAME LIKE 'batch%'`,
    { schema: [session.db.driver.NVarChar(128), schema] },
  );
  const found = new Set(rows.map(({ name }) => name));
  for (const [name, columns] of Object.entries(TABLES)) {
    if (!found.has(name.toLowerCase()))
      await session.run(`CREATE TABLE ${quote(schema)}.${name} (${columns})`);
  }
}

/** The ledger of one table and one batch, in a transaction that is open. */
export class Ledger {
  readonly #schema: string;
  readonly #name: string;

  constructor(
    readonly session: TransferSession,
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
    const { ofBatch } = await this.countRows();
    const listed = await this.#count(
      `SELECT COALESCE(SUM([Rows]), 0) AS [count] FROM ${this.#schema}.BatchLoad WHERE ${OWN}`,
    );
    checkOwnListed(this.#name, this.batch, { rows: ofBatch, listed });
  }

  /** For a replacement, every row must be one that some batch of the ledger loaded. */
  async checkAllListed(): Promise<void> {
    const rows = await this.#count(
      `SELECT COUNT_BIG(*) AS [count] FROM ${quoted(this.table)} WHERE BatchID IS NULL OR BatchID NOT IN
         (SELECT LogID FROM ${this.#schema}.BatchLoad WHERE TableName = @table)`,
    );
    checkNoneUnlisted(this.#name, rows);
  }

  /**
   * For a batch that takes the place of this one. A merge may not read again all that this one had merged: those rows
   * stay, with what the ledger says of them.
   */
  async makeRoom(mode: TransferMode): Promise<void> {
    if (mode !== 'merge') await this.removeOwn();
  }

  /** Takes out what this batch put in. */
  async removeOwn(): Promise<void> {
    await this.session.run(`DELETE FROM ${quoted(this.table)} WHERE BatchID = @logID`, this.#inputs());
    for (const list of Object.keys(TABLES)) {
      await this.session.run(`DELETE FROM ${this.#schema}.${list} WHERE ${OWN}`, this.#inputs());
    }
  }

  async removeAll(): Promise<void> {
    await this.session.run(`DELETE FROM ${quoted(this.table)}`);
    await this.session.run(`DELETE FROM ${this.#schema}.BatchLoad WHERE TableName = @table`, this.#inputs());
  }

  async add(chunk: number, rows: number): Promise<void> {
    const { Int, BigInt } = this.session.db.driver;
    await this.session.run(
      `INSERT INTO ${this.#schema}.BatchLoad (StoreID, LogID, RunID, TableName, Chunk, [Rows], LoadedAt)
       VALUES (@storeID, @logID, @runID, @table, @chunk, @rows, @loadedAt)`,
      { ...this.#inputs(), chunk: [Int, chunk], rows: [BigInt, rows] },
    );
  }

  /** `rejected` is a query of chunk, row number, reason and content. */
  keepRejected(rejected: string): Promise<number> {
    return this.session.run(
      `INSERT INTO ${this.#schema}.BatchRejected (StoreID, LogID, TableName, Chunk, [Row], Reason, Content)
       SELECT @storeID, @logID, @table, R.Chunk, R.RowNumber, R.Reason, R.Content FROM (${rejected}) R`,
      this.#inputs(),
    );
  }

  async countRows(): Promise<{ total: number; ofBatch: number }> {
    const [row] = await this.session.rows(
      `SELECT COUNT_BIG(*) AS [total], COUNT_BIG(CASE WHEN BatchID = @logID THEN 1 END) AS [ofBatch] FROM ${quoted(this.table)}`,
      this.#inputs(),
    );
    // The driver gives a BIGINT as a text.
    return { total: Number(row!['total']), ofBatch: Number(row!['ofBatch']) };
  }

  async #count(text: string): Promise<number> {
    const [row] = await this.session.rows(text, this.#inputs());
    return Number(row!['count']);
  }

  #inputs(): Inputs {
    const { BigInt, DateTime2, NVarChar } = this.session.db.driver;
    const { storeID, logID, runID, loadedAt } = this.batch;
    return {
      storeID: [NVarChar(36), storeID],
      logID: [BigInt, logID],
      runID: [NVarChar(100), runID],
      table: [NVarChar(300), this.#name],
      loadedAt: [DateTime2(3), new Date(loadedAt)],
    };
  }
}

const OWN = 'TableName = @table AND LogID = @logID AND StoreID = @storeID';
