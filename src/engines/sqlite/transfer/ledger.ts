/** What the target knows of the batches that loaded it: in the file of their tables, so that both commit together. */
import type Database from 'better-sqlite3';
import type { TransferMode } from '../../../domain/transfer.js';
import { BATCH_ID } from '../../shared/incoming.js';
import type { Takeover } from '../../shared/intervals.js';
import { checkNoneUnlisted, checkOwnListed } from '../../shared/unlistedRows.js';
import type { BatchStamp, Claim, LedgerInterval } from '../../transferContract.js';
import { quote } from '../connect.js';
import { isWithin } from './cursor.js';

const TABLES = `
  CREATE TABLE IF NOT EXISTS BatchLoad (
    StoreID TEXT NOT NULL, LogID INTEGER NOT NULL, RunID TEXT NOT NULL, TableName TEXT NOT NULL,
    Chunk INTEGER NOT NULL, Rows INTEGER NOT NULL, LoadedAt TEXT NOT NULL, Staging BOOLEAN NOT NULL,
    PRIMARY KEY (TableName, LogID, StoreID, Chunk)
  );
  CREATE TABLE IF NOT EXISTS BatchInterval (
    TableName TEXT NOT NULL, Source TEXT NOT NULL, "From" TEXT NOT NULL, "To" TEXT NOT NULL,
    StoreID TEXT NOT NULL, LogID INTEGER NOT NULL,
    PRIMARY KEY (TableName, Source, "From")
  );
  CREATE TABLE IF NOT EXISTS BatchRejected (
    StoreID TEXT NOT NULL, LogID INTEGER NOT NULL, TableName TEXT NOT NULL, Chunk INTEGER NOT NULL,
    Row INTEGER NOT NULL, Reason TEXT NOT NULL, Content TEXT NOT NULL,
    PRIMARY KEY (TableName, LogID, StoreID, Chunk, Row)
  );`;

export interface Rejected {
  readonly chunk: number;
  /** In the chunk, from 1. */
  readonly row: number;
  readonly reason: string;
  /** In the staging dialect. */
  readonly content: string;
}

/** In a file that has a ledger. */
export function intervalsOf(db: Database.Database, fullName: string): LedgerInterval[] {
  return db
    .prepare<[string], LedgerInterval>(
      `SELECT Source AS source, "From" AS "from", "To" AS "to", StoreID AS storeID, LogID AS logID
       FROM BatchInterval WHERE TableName = ? ORDER BY Source, "From"`,
    )
    .all(fullName);
}

/** The ledger of one table and one batch, in a transaction that is open. */
export class Ledger {
  constructor(
    readonly db: Database.Database,
    readonly table: { readonly name: string; readonly fullName: string },
    readonly batch: BatchStamp,
  ) {
    db.exec(TABLES);
  }

  /** Of another batch of the same store. */
  of(logID: number): Ledger {
    return new Ledger(this.db, this.table, { ...this.batch, logID });
  }

  /** Rows of this batch that the ledger does not list are another store's, or a person's. */
  checkListed(): void {
    const { storeID, logID } = this.batch;
    const rows = this.#count(
      `SELECT count(*) FROM ${quote(this.table.name)} WHERE ${BATCH_ID} = ?`,
      BigInt(logID),
    );
    const listed = this.#count(
      'SELECT total(Rows) FROM BatchLoad WHERE TableName = ? AND LogID = ? AND StoreID = ?',
      ...[this.table.fullName, logID, storeID],
    );
    checkOwnListed(this.table.fullName, this.batch, { rows, listed });
  }

  /** For a replacement, every row must be one that some batch of the ledger loaded: none has more than it lists. */
  checkAllListed(): void {
    const rows = this.#count(
      `SELECT total(T.Rows - ifnull(L.Rows, 0))
       FROM (SELECT ${BATCH_ID}, count(*) AS Rows FROM ${quote(this.table.name)} GROUP BY ${BATCH_ID}) AS T
       LEFT JOIN (SELECT LogID, sum(Rows) AS Rows FROM BatchLoad WHERE TableName = ? GROUP BY LogID) AS L
         ON L.LogID = T.${BATCH_ID}
       WHERE T.Rows > ifnull(L.Rows, 0)`,
      this.table.fullName,
    );
    checkNoneUnlisted(this.table.fullName, rows);
  }

  /**
   * For a batch that takes the place of this one. A merge may not read again all that this one had merged: those rows
   * stay, with what the ledger says of them.
   */
  makeRoom(mode: TransferMode): void {
    if (mode !== 'merge') return this.removeOwn();
    const { storeID, logID } = this.batch;
    this.db
      .prepare('DELETE FROM BatchInterval WHERE TableName = ? AND LogID = ? AND StoreID = ?')
      .run(this.table.fullName, logID, storeID);
  }

  /** Takes out what this batch put in. */
  removeOwn(): void {
    const { storeID, logID } = this.batch;
    this.db.prepare(`DELETE FROM ${quote(this.table.name)} WHERE ${BATCH_ID} = ?`).run(BigInt(logID));
    for (const list of ['BatchLoad', 'BatchInterval', 'BatchRejected']) {
      this.db
        .prepare(`DELETE FROM ${list} WHERE TableName = ? AND LogID = ? AND StoreID = ?`)
        .run(this.table.fullName, logID, storeID);
    }
  }

  removeAll(): void {
    this.db.exec(`DELETE FROM ${quote(this.table.name)}`);
    for (const list of ['BatchLoad', 'BatchInterval']) {
      this.db.prepare(`DELETE FROM ${list} WHERE TableName = ?`).run(this.table.fullName);
    }
  }

  add(chunk: number, rows: number): void {
    const { storeID, logID, runID, loadedAt, isStaging } = this.batch;
    this.db
      .prepare('INSERT INTO BatchLoad VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(storeID, logID, runID, this.table.fullName, chunk, rows, loadedAt, isStaging ? 1 : 0);
  }

  intervals(): LedgerInterval[] {
    return intervalsOf(this.db, this.table.fullName);
  }

  /** Takes out the rows of these intervals, as far as batches brought them that the ledger lists for the same source. */
  removeRows({ source, kind, intervals }: Claim, column: string): void {
    const { condition, values } = isWithin({ column, kind }, intervals);
    this.db
      .prepare(
        `DELETE FROM ${quote(this.table.name)} WHERE ${condition}
         AND ${BATCH_ID} IN (SELECT LogID FROM BatchInterval WHERE TableName = ? AND Source = ?)`,
      )
      .run(...values, this.table.fullName, source);
  }

  changeIntervals({ removed, added }: Takeover): void {
    const remove = this.db.prepare(
      'DELETE FROM BatchInterval WHERE TableName = ? AND Source = ? AND "From" = ?',
    );
    const add = this.db.prepare('INSERT INTO BatchInterval VALUES (?, ?, ?, ?, ?, ?)');
    const { fullName } = this.table;
    for (const { source, from } of removed) remove.run(fullName, source, from);
    for (const { source, from, to, storeID, logID } of added) {
      add.run(fullName, source, from, to, storeID, logID);
    }
  }

  keepRejected({ chunk, row, reason, content }: Rejected): void {
    const { storeID, logID } = this.batch;
    this.db
      .prepare('INSERT INTO BatchRejected VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(storeID, logID, this.table.fullName, chunk, row, reason, content);
  }

  countRows(): { total: number; ofBatch: number } {
    const name = quote(this.table.name);
    return {
      total: this.#count(`SELECT count(*) FROM ${name}`),
      ofBatch: this.#count(`SELECT count(*) FROM ${name} WHERE ${BATCH_ID} = ?`, BigInt(this.batch.logID)),
    };
  }

  #count(sql: string, ...values: Array<string | number | bigint>): number {
    return this.db.prepare(sql).pluck().get(values) as number;
  }
}
