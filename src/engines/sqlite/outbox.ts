/**
 * What audit stores do not take right now, in a file on the worker's own disk, until they do. Several processes may share
 * a file; what it holds survives all of them.
 */
import type Database from 'better-sqlite3';
import { isoTime } from '../../domain/time.js';
import type { KeptEntry, Outbox, OutboxEntry, OutboxItem, OutboxState } from '../outboxContract.js';
import { openForWriting, patiently } from './connect.js';

const TABLES = `
  CREATE TABLE IF NOT EXISTS Entry (
    -- AUTOINCREMENT: what was added later never comes first.
    EntryID INTEGER PRIMARY KEY AUTOINCREMENT,
    StoreID TEXT NOT NULL,
    Kind TEXT NOT NULL,
    Item TEXT NOT NULL,
    AddedAt TEXT NOT NULL,
    Problem TEXT
  );
  CREATE INDEX IF NOT EXISTS Entry_Waiting ON Entry (StoreID, EntryID) WHERE Problem IS NULL;
  CREATE INDEX IF NOT EXISTS Entry_Refused ON Entry (StoreID, EntryID) WHERE Problem IS NOT NULL;
  CREATE TABLE IF NOT EXISTS Shipper (
    StoreID TEXT NOT NULL PRIMARY KEY,
    Holder TEXT NOT NULL,
    HeldUntil INTEGER NOT NULL
  );`;

export async function openOutbox(file: string): Promise<Outbox> {
  const db = await openForWriting(file);
  try {
    await patiently(() => db.exec(TABLES));
    return new SqliteOutbox(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

class SqliteOutbox implements Outbox {
  readonly #insert: Database.Statement;
  readonly #next: Database.Statement<[string, number, number]>;
  readonly #remove: Database.Statement;
  readonly #setAside: Database.Statement;
  readonly #bringBack: Database.Statement;
  readonly #state: Database.Statement<[], OutboxState>;
  readonly #list: Database.Statement<[number], Omit<KeptEntry, 'item'> & { item: string }>;
  readonly #takeTurn: Database.Statement;

  constructor(readonly db: Database.Database) {
    this.#insert = db.prepare(
      'INSERT INTO Entry (StoreID, Kind, Item, AddedAt, Problem) VALUES (?, ?, ?, ?, ?)',
    );
    this.#next = db.prepare(
      `SELECT EntryID, Kind, Item FROM Entry WHERE StoreID = ? AND Problem IS NULL AND EntryID > ?
       ORDER BY EntryID LIMIT ?`,
    );
    this.#remove = db.prepare('DELETE FROM Entry WHERE EntryID = ?');
    this.#setAside = db.prepare('UPDATE Entry SET Problem = ? WHERE EntryID = ?');
    this.#bringBack = db.prepare('UPDATE Entry SET Problem = NULL WHERE StoreID = ? AND Problem IS NOT NULL');
    // By the indexes alone, which are small: metrics ask for it again and again.
    this.#state = db.prepare(
      `WITH Waiting AS (SELECT StoreID, COUNT(*) AS n, MIN(EntryID) AS first FROM Entry WHERE Problem IS NULL GROUP BY StoreID),
         Refused AS (SELECT StoreID, COUNT(*) AS n, MIN(EntryID) AS first FROM Entry WHERE Problem IS NOT NULL GROUP BY StoreID),
         Stores AS (SELECT StoreID FROM Waiting UNION SELECT StoreID FROM Refused)
       SELECT StoreID AS storeID, COALESCE(W.n, 0) AS waiting, COALESCE(R.n, 0) AS refused,
         (SELECT AddedAt FROM Entry WHERE EntryID = MIN(COALESCE(W.first, R.first), COALESCE(R.first, W.first))) AS oldest,
         (SELECT Problem FROM Entry WHERE EntryID = R.first) AS problem
       FROM Stores LEFT JOIN Waiting W USING (StoreID) LEFT JOIN Refused R USING (StoreID) ORDER BY StoreID`,
    );
    this.#list = db.prepare(
      `SELECT StoreID AS storeID, AddedAt AS addedAt, Kind AS kind, Item AS item, Problem AS problem
       FROM Entry ORDER BY EntryID LIMIT ?`,
    );
    this.#takeTurn = db.prepare(
      `INSERT INTO Shipper (StoreID, Holder, HeldUntil) VALUES (:storeID, :holder, :until)
       ON CONFLICT (StoreID) DO UPDATE SET Holder = :holder, HeldUntil = :until
       WHERE Holder = :holder OR HeldUntil <= :now`,
    );
  }

  add(storeID: string, items: readonly OutboxItem[]): Promise<void> {
    const now = isoTime(Date.now());
    return this.#write(() => {
      for (const { kind, item, problem } of items) {
        this.#insert.run(storeID, kind, JSON.stringify(item), now, problem ?? null);
      }
    });
  }

  async next(storeID: string, limit: number, after = 0): Promise<OutboxEntry[]> {
    const rows = this.#next.all(storeID, after, limit) as Array<{
      EntryID: number;
      Kind: string;
      Item: string;
    }>;
    return rows.map(({ EntryID, Kind, Item }) => ({
      id: EntryID,
      kind: Kind,
      item: JSON.parse(Item) as unknown,
    }));
  }

  remove(ids: readonly number[]): Promise<void> {
    return this.#write(() => {
      for (const id of ids) this.#remove.run(id);
    });
  }

  setAside(id: number, problem: string): Promise<void> {
    return this.#write(() => void this.#setAside.run(problem, id));
  }

  bringBack(storeID: string): Promise<void> {
    return this.#write(() => void this.#bringBack.run(storeID));
  }

  async state(): Promise<OutboxState[]> {
    return this.#state.all();
  }

  async list(limit: number): Promise<KeptEntry[]> {
    return this.#list.all(limit).map((row) => ({ ...row, item: JSON.parse(row.item) as unknown }));
  }

  async takeTurn(storeID: string, holder: string, forMs: number): Promise<boolean> {
    const now = Date.now();
    const turn = { storeID, holder, until: now + forMs, now };
    return (await patiently(() => this.#takeTurn.run(turn))).changes > 0;
  }

  #write(work: () => void): Promise<void> {
    return patiently(() => this.db.transaction(work).immediate());
  }

  async close(): Promise<void> {
    this.db.close();
  }
}
