/** What the target knows of the batches that loaded it, in the schema of their tables. */
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import type { FittedColumn } from '../../shared/incoming.js';
import type { Takeover } from '../../shared/intervals.js';
import { checkNoneUnlisted, checkOwnListed } from '../../shared/unlistedRows.js';
import type { BatchStamp, Claim, LedgerInterval } from '../../transferContract.js';
import type { Inputs } from '../session.js';
import { isWithin } from './cursor.js';
import { quote, quoted } from './names.js';
import type { TransferSession } from './session.js';

/**
 * Texts are as long as keys may be: 900 bytes, and 1,700 of an index that is not clustered. Two sources may differ in
 * upper and lower case only.
 */
const TABLES: Readonly<Record<string, string>> = {
  BatchLoad: `StoreID NVARCHAR(36) NOT NULL, LogID BIGINT NOT NULL, RunID NVARCHAR(100) NOT NULL, TableName NVARCHAR(300) NOT NULL,
    Chunk INT NOT NULL, [Rows] BIGINT NOT NULL, LoadedAt DATETIME2(3) NOT NULL, Staging BIT NOT NULL,
    PRIMARY KEY (TableName, LogID, StoreID, Chunk)`,
  BatchInterval: `TableName NVARCHAR(300) NOT NULL, Source NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL, [From] NVARCHAR(40) NOT NULL,
    [To] NVARCHAR(40) NOT NULL, StoreID NVARCHAR(36) NOT NULL, LogID BIGINT NOT NULL, PRIMARY KEY NONCLUSTERED (TableName, Source, [From])`,
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

/** All intervals of a table, whose schema has a ledger. */
export async function intervalsOf(session: TransferSession, table: TableName): Promise<LedgerInterval[]> {
  const rows = (await session.rows(
    `SELECT Source AS [source], [From] AS [from], [To] AS [to], StoreID AS [storeID], LogID AS [logID]
     FROM ${quote(table.schema)}.BatchInterval WHERE TableName = @table ORDER BY Source, [From]`,
    { table: [session.db.driver.NVarChar(300), formatTableName(table)] },
  )) as unknown as readonly LedgerInterval[];
  // The driver gives a BIGINT as a text.
  return rows.map((row) => ({ ...row, logID: Number(row.logID) }));
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

  /** For a replacement, every row must be one that some batch of the ledger loaded: none has more than it lists. */
  async checkAllListed(): Promise<void> {
    const rows = await this.#count(
      `SELECT COALESCE(SUM(T.N - COALESCE(L.N, 0)), 0) AS [count]
       FROM (SELECT BatchID, COUNT_BIG(*) AS N FROM ${quoted(this.table)} GROUP BY BatchID) AS T
       LEFT JOIN (SELECT LogID, SUM([Rows]) AS N FROM ${this.#schema}.BatchLoad WHERE TableName = @table GROUP BY LogID) AS L
         ON L.LogID = T.BatchID
       WHERE T.N > COALESCE(L.N, 0)`,
    );
    checkNoneUnlisted(this.#name, rows);
  }

  /**
   * For a batch that takes the place of this one. A merge may not read again all that this one had merged: those rows
   * stay, with what the ledger says of them.
   */
  async makeRoom(mode: TransferMode): Promise<void> {
    if (mode !== 'merge') return this.removeOwn();
    await this.session.run(`DELETE FROM ${this.#schema}.BatchInterval WHERE ${OWN}`, this.#inputs());
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
    for (const list of ['BatchLoad', 'BatchInterval']) {
      await this.session.run(`DELETE FROM ${this.#schema}.${list} WHERE TableName = @table`, this.#inputs());
    }
  }

  async add(chunk: number, rows: number): Promise<void> {
    const { Bit, BigInt, Int } = this.session.db.driver;
    await this.session.run(
      `INSERT INTO ${this.#schema}.BatchLoad (StoreID, LogID, RunID, TableName, Chunk, [Rows], LoadedAt, Staging)
       VALUES (@storeID, @logID, @runID, @table, @chunk, @rows, @loadedAt, @staging)`,
      { ...this.#inputs(), chunk: [Int, chunk], rows: [BigInt, rows], staging: [Bit, this.batch.isStaging] },
    );
  }

  intervals(): Promise<LedgerInterval[]> {
    return intervalsOf(this.session, this.table);
  }

  /** Takes out the rows of these intervals, as far as batches brought them that the ledger lists for the same source. */
  async removeRows({ source, kind, intervals }: Claim, column: FittedColumn): Promise<void> {
    await this.session.run(
      `DELETE FROM ${quoted(this.table)} WHERE ${isWithin(column, kind, intervals)}
       AND BatchID IN (SELECT LogID FROM ${this.#schema}.BatchInterval WHERE TableName = @table AND Source = @source)`,
      this.#inputs({ source }),
    );
  }

  async changeIntervals({ removed, added }: Takeover): Promise<void> {
    for (const { source, from } of removed) {
      await this.session.run(
        `DELETE FROM ${this.#schema}.BatchInterval WHERE TableName = @table AND Source = @source AND [From] = @from`,
        this.#inputs({ source, from }),
      );
    }
    for (const interval of added) {
      await this.session.run(
        `INSERT INTO ${this.#schema}.BatchInterval (TableName, Source, [From], [To], StoreID, LogID)
         VALUES (@table, @source, @from, @to, @storeID, @logID)`,
        this.#inputs(interval),
      );
    }
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

  /** What the statements have in common; an interval's entry may be another batch's. */
  #inputs(interval: Partial<LedgerInterval> = {}): Inputs {
    const { BigInt, DateTime2, NVarChar } = this.session.db.driver;
    const { storeID, logID, runID, loadedAt, source, from, to } = {
      ...{ source: null, from: null, to: null },
      ...this.batch,
      ...interval,
    };
    return {
      storeID: [NVarChar(36), storeID],
      logID: [BigInt, logID],
      runID: [NVarChar(100), runID],
      table: [NVarChar(300), this.#name],
      loadedAt: [DateTime2(3), new Date(loadedAt)],
      source: [NVarChar(200), source],
      from: [NVarChar(40), from],
      to: [NVarChar(40), to],
    };
  }
}

const OWN = 'TableName = @table AND LogID = @logID AND StoreID = @storeID';
