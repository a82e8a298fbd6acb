/** The audit tables in `<folder>/<schema>.db`. */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type Database from 'better-sqlite3';
import type {
  AuditOptions,
  AuditStore,
  AuditTransaction,
  UncertifiedPage,
  UncertifiedRun,
} from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { DEFAULT_PATIENCE_MS, folderOf, openForWriting, patiently, schemaFile } from './connect.js';
import { migrate } from './migrate.js';
import { readStoreID } from './storeID.js';
import { openRuns } from './openRuns.js';
import type { OpenRuns } from './openRuns.js';

export async function openAuditStore({ url, schema = 'Audit' }: AuditOptions): Promise<AuditStore> {
  const db = await openForWriting(schemaFile(folderOf(url), schema));
  // A commit is in the log when it returns, and waits for the disk below.
  db.pragma('synchronous = NORMAL');
  return new SqliteAuditStore(db);
}

/**
 * SQLite waits for the disk in the thread that calls it, and a worker has one for everything it does. So a commit only
 * writes to the log, and the log is brought to the disk by a thread of Node's own; a transaction is over when it is
 * there. That holds for one that only read, too: what it has read may be another process's, and not on the disk yet.
 */
class SqliteAuditStore implements AuditStore {
  readonly pace = { groupMs: 4, lookMs: 400, removeRows: 250 };
  /** One connection can hold one transaction, and transactions await: they queue here. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();
  #transaction: AuditTransaction | undefined;
  #frame: Record<'begin' | 'commit', Database.Statement> | undefined;
  #openRuns: OpenRuns | undefined;
  #log: FileHandle | undefined;

  constructor(readonly db: Database.Database) {}

  migrate(): Promise<number[]> {
    return migrate(this.db);
  }

  async transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    const committed = this.#last.then(() => this.#run(work));
    this.#last = committed.catch(() => undefined);
    const result = await committed;
    await this.#log!.datasync();
    return result;
  }

  async #run<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    // Statements are prepared once, when the tables exist.
    const tx = (this.#transaction ??= auditTransaction(this.db));
    const { begin, commit } = (this.#frame ??= {
      begin: this.db.prepare('BEGIN IMMEDIATE'),
      commit: this.db.prepare('COMMIT'),
    });
    await patiently(() => begin.run(), DEFAULT_PATIENCE_MS, this.#closing.signal);
    try {
      const result = await work(tx);
      commit.run();
      // It stays the same file as long as this connection is open.
      this.#log ??= await open(`${this.db.name}-wal`, 'r+');
      return result;
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }

  async storeID(): Promise<string> {
    return readStoreID(this.db);
  }

  async uncertifiedRuns(page: UncertifiedPage): Promise<UncertifiedRun[]> {
    return (this.#openRuns ??= openRuns(this.db)).page(page);
  }

  async countOpenRuns(namespace: string): Promise<number> {
    return (this.#openRuns ??= openRuns(this.db)).count(namespace);
  }

  async close(): Promise<void> {
    // What waits for another program's lock has not begun, and would keep the process alive.
    this.#closing.abort();
    await this.#last;
    await this.#log?.close();
    this.db.close();
  }
}
