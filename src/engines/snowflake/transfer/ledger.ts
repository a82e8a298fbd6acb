/** What the target knows of the batches that loaded it, in the schema of their tables. */
import type { Bind } from 'snowflake-sdk';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { TransferMode } from '../../../domain/transfer.js';
import type { FittedColumn } from '../../shared/incoming.js';
import type { Takeover } from '../../shared/intervals.js';
import { checkNoneUnlisted, checkOwnListed } from '../../shared/unlistedRows.js';
import type { BatchStamp, Claim, LedgerInterval } from '../../transferContract.js';
import { changedRows } from '../frame.js';
import { ids, time } from '../statements.js';
import { isWithin } from './cursor.js';
import { quote, quoted } from './names.js';
import type { TransferSession } from './session.js';

/** All names as SQL without quotes has them; those that are reserved words need quotes. */
const TABLES: Readonly<Record<string, string>> = {
  BATCHLOAD: `STOREID VARCHAR NOT NULL, LOGID NUMBER(38,0) NOT NULL, RUNID VARCHAR NOT NULL, TABLENAME VARCHAR NOT NULL,
    CHUNK NUMBER(38,0) NOT NULL, "ROWS" NUMBER(38,0) NOT NULL, LOADEDAT TIMESTAMP_NTZ(3) NOT NULL, STAGING BOOLEAN NOT NULL`,
  BATCHINTERVAL: `TABLENAME VARCHAR NOT NULL, SOURCE VARCHAR NOT NULL, "FROM" VARCHAR NOT NULL, "TO" VARCHAR NOT NULL,
    STOREID VARCHAR NOT NULL, LOGID NUMBER(38,0) NOT NULL`,
  BATCHREJECTED: `STOREID VARCHAR NOT NULL, LOGID NUMBER(38,0) NOT NULL, TABLENAME VARCHAR NOT NULL, CHUNK NUMBER(38,0) NOT NULL,
    "ROW" NUMBER(38,0) NOT NULL, REASON VARCHAR NOT NULL, CONTENT VARCHAR NOT NULL`,
  BATCHLOCK: 'TABLENAME VARCHAR NOT NULL, RUNID VARCHAR NOT NULL',
};

/** Makes the ledger's tables when they are missing; who may not create any needs them made. Commits. */
export async function makeLedger(session: TransferSession, schema: string): Promise<void> {
  const rows = await session.run(
    `SELECT TABLE_NAME AS "name" FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE 'BATCH%'`,
    [schema],
  );
  const found = new Set(rows.map(({ name }) => name));
  for (const [name, columns] of Object.entries(TABLES)) {
    if (found.has(name)) continue;
    await session.run(`CREATE TABLE IF NOT EXISTS ${quote(schema)}.${name} (${columns})`);
  }
}

/** Gives each table the row that `lockTables` changes, where it has none. Commits. */
export async function makeLocks(
  session: TransferSession,
  schema: string,
  tables: readonly TableName[],
): Promise<void> {
  const names = tables.map(formatTableName);
  const rows = await session.run(
    `SELECT TABLENAME AS "name" FROM ${quote(schema)}.BATCHLOCK WHERE TABLENAME IN ${ids(names).text}`,
    ids(names).binds,
  );
  const found = new Set(rows.map(({ name }) => name));
  const missing = names.filter((name) => !found.has(name));
  if (missing.length === 0) return;
  // Two that do this at once add two rows, which are changed together.
  await session.run(
    `INSERT INTO ${quote(schema)}.BATCHLOCK (TABLENAME, RUNID)
     SELECT F.VALUE::VARCHAR, '' FROM TABLE(FLATTEN(input => PARSE_JSON(?))) F`,
    [JSON.stringify(missing)],
  );
}

/**
 * An attempt that was given up may still be loading: its transaction ends first, and then the ledger knows about it. A
 * row that is changed is what makes others wait; COPY and INSERT would not.
 */
export async function lockTables(
  session: TransferSession,
  schema: string,
  tables: readonly TableName[],
  { runID }: BatchStamp,
): Promise<void> {
  const names = ids(tables.map(formatTableName));
  await session.run(`UPDATE ${quote(schema)}.BATCHLOCK SET RUNID = ? WHERE TABLENAME IN ${names.text}`, [
    runID,
    ...names.binds,
  ]);
}

/** All intervals of each of these tables, whose schemas have a ledger. */
export async function intervalsOf(
  session: TransferSession,
  tables: readonly TableName[],
): Promise<LedgerInterval[][]> {
  const names = tables.map(formatTableName);
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  const wanted = ids(names);
  const ofSchema = (schema: string): string =>
    `SELECT TABLENAME AS "table", SOURCE AS "source", "FROM" AS "from", "TO" AS "to", STOREID AS "storeID", LOGID AS "logID"
     FROM ${quote(schema)}.BATCHINTERVAL WHERE TABLENAME IN ${wanted.text}`;
  const rows = (await session.run(
    `${schemas.map(ofSchema).join(' UNION ALL ')} ORDER BY "source", "from"`,
    schemas.flatMap(() => wanted.binds),
  )) as unknown as Array<LedgerInterval & { table: string }>;
  return names.map((name) =>
    rows
      .filter(({ table }) => table === name)
      .map(({ source, from, to, storeID, logID }) => ({ source, from, to, storeID, logID: Number(logID) })),
  );
}

/** The ledger of one table and one batch, in a transaction that is open. */
export class Ledger {
  readonly #schema: string;
  readonly #name: string;
  readonly #own: readonly [string, number, string];

  constructor(
    readonly session: TransferSession,
    readonly table: TableName,
    readonly batch: BatchStamp,
  ) {
    this.#schema = quote(table.schema);
    this.#name = formatTableName(table);
    this.#own = [this.#name, batch.logID, batch.storeID];
  }

  /** Of another batch of the same store. */
  of(logID: number): Ledger {
    return new Ledger(this.session, this.table, { ...this.batch, logID });
  }

  /**
   * In one statement: how many rows there are, and whether this batch put in some before. Rows of this batch
   * that the ledger does not list are another store's, or a person's.
   */
  async checkListed(): Promise<{ total: number; hasOwn: boolean }> {
    const { logID } = this.batch;
    const own = (what: string, list: string): string =>
      `(SELECT ${what} FROM ${this.#schema}.${list} WHERE TABLENAME = ? AND LOGID = ? AND STOREID = ?)`;
    const [row] = await this.session.run(
      `SELECT COUNT(*) AS "total", COUNT_IF(BATCHID = ?) AS "ofBatch", ${own('COALESCE(SUM("ROWS"), 0)', 'BATCHLOAD')} AS "listed",
         ${own('COUNT(*)', 'BATCHLOAD')} + ${own('COUNT(*)', 'BATCHREJECTED')} AS "entries" FROM ${quoted(this.table)}`,
      [logID, ...this.#own, ...this.#own, ...this.#own],
    );
    const count = (name: string): number => Number(row![name]);
    const [ofBatch, listed] = [count('ofBatch'), count('listed')];
    checkOwnListed(this.#name, this.batch, { rows: ofBatch, listed });
    return { total: count('total'), hasOwn: count('entries') > 0 };
  }

  /** For a replacement, every row must be one that some batch of the ledger loaded: none has more than it lists. */
  async checkAllListed(): Promise<void> {
    const [row] = await this.session.run(
      `SELECT COALESCE(SUM(T.N - COALESCE(L.N, 0)), 0) AS "rows"
       FROM (SELECT BATCHID, COUNT(*) AS N FROM ${quoted(this.table)} GROUP BY BATCHID) AS T
       LEFT JOIN (SELECT LOGID, SUM("ROWS") AS N FROM ${this.#schema}.BATCHLOAD WHERE TABLENAME = ? GROUP BY LOGID) AS L
         ON L.LOGID = T.BATCHID
       WHERE T.N > COALESCE(L.N, 0)`,
      [this.#name],
    );
    const rows = Number(row!['rows']);
    checkNoneUnlisted(this.#name, rows);
  }

  /**
   * For a batch that takes the place of this one. A merge may not read again all that this one had merged: those rows
   * stay, with what the ledger says of them.
   */
  async makeRoom(mode: TransferMode): Promise<void> {
    if (mode !== 'merge') return this.removeOwn();
    await this.session.run(
      `DELETE FROM ${this.#schema}.BATCHINTERVAL WHERE TABLENAME = ? AND LOGID = ? AND STOREID = ?`,
      this.#own,
    );
  }

  /** Takes out what this batch put in. */
  async removeOwn(): Promise<void> {
    await this.session.run(`DELETE FROM ${quoted(this.table)} WHERE BATCHID = ?`, [this.batch.logID]);
    for (const list of ['BATCHLOAD', 'BATCHINTERVAL', 'BATCHREJECTED']) {
      await this.session.run(
        `DELETE FROM ${this.#schema}.${list} WHERE TABLENAME = ? AND LOGID = ? AND STOREID = ?`,
        this.#own,
      );
    }
  }

  /** Not TRUNCATE, which commits. */
  async removeAll(): Promise<void> {
    await this.session.run(`DELETE FROM ${quoted(this.table)}`);
    for (const list of ['BATCHLOAD', 'BATCHINTERVAL']) {
      await this.session.run(`DELETE FROM ${this.#schema}.${list} WHERE TABLENAME = ?`, [this.#name]);
    }
  }

  /** `rows`: how many were loaded of each chunk. */
  async add(rows: readonly number[]): Promise<void> {
    const { storeID, logID, runID, loadedAt, isStaging } = this.batch;
    await this.session.run(
      `INSERT INTO ${this.#schema}.BATCHLOAD (STOREID, LOGID, RUNID, TABLENAME, CHUNK, "ROWS", LOADEDAT, STAGING)
       SELECT ?, ?, ?, ?, F.VALUE[0]::NUMBER(38,0), F.VALUE[1]::NUMBER(38,0), ${time('?')}, ${isStaging} FROM TABLE(FLATTEN(input => PARSE_JSON(?))) F`,
      [storeID, logID, runID, this.#name, Date.parse(loadedAt), JSON.stringify([...rows.entries()])],
    );
  }

  async intervals(): Promise<LedgerInterval[]> {
    const [own] = await intervalsOf(this.session, [this.table]);
    return own!;
  }

  /** Takes out the rows of these intervals, as far as batches brought them that the ledger lists for the same source. */
  async removeRows({ source, kind, intervals }: Claim, column: FittedColumn): Promise<void> {
    await this.session.run(
      `DELETE FROM ${quoted(this.table)} WHERE ${isWithin(column, kind, intervals)}
       AND BATCHID IN (SELECT LOGID FROM ${this.#schema}.BATCHINTERVAL WHERE TABLENAME = ? AND SOURCE = ?)`,
      [this.#name, source],
    );
  }

  /** All of one source. */
  async changeIntervals({ removed, added }: Takeover): Promise<void> {
    const { source } = added[0]!;
    if (removed.length > 0) {
      const starts = ids(removed.map(({ from }) => from));
      await this.session.run(
        `DELETE FROM ${this.#schema}.BATCHINTERVAL WHERE TABLENAME = ? AND SOURCE = ? AND "FROM" IN ${starts.text}`,
        [this.#name, source, ...starts.binds],
      );
    }
    await this.session.run(
      `INSERT INTO ${this.#schema}.BATCHINTERVAL (TABLENAME, SOURCE, "FROM", "TO", STOREID, LOGID)
       SELECT ?, ?, F.VALUE[0]::VARCHAR, F.VALUE[1]::VARCHAR, F.VALUE[2]::VARCHAR, F.VALUE[3]::NUMBER(38,0)
       FROM TABLE(FLATTEN(input => PARSE_JSON(?))) F`,
      [
        ...[this.#name, source],
        JSON.stringify(added.map(({ from, to, storeID, logID }) => [from, to, storeID, logID])),
      ],
    );
  }

  /** `rejected` is a query of row number, reason and content. */
  async keepRejected(chunk: number, rejected: string, binds: readonly Bind[]): Promise<number> {
    const { storeID, logID } = this.batch;
    return changedRows(
      await this.session.run(
        `INSERT INTO ${this.#schema}.BATCHREJECTED (STOREID, LOGID, TABLENAME, CHUNK, "ROW", REASON, CONTENT)
         SELECT ?, ?, ?, ?, R.* FROM (${rejected}) R`,
        [storeID, logID, this.#name, chunk, ...binds],
      ),
    );
  }

  async countRows(): Promise<{ total: number; ofBatch: number }> {
    const [row] = await this.session.run(
      `SELECT COUNT(*) AS "total", COUNT_IF(BATCHID = ?) AS "ofBatch" FROM ${quoted(this.table)}`,
      [this.batch.logID],
    );
    return { total: Number(row!['total']), ofBatch: Number(row!['ofBatch']) };
  }
}
