/** The audit tables in `<folder>/<schema>.db`. */
import type Database from 'better-sqlite3';
import type {
  AuditOptions,
  AuditStore,
  AuditTransaction,
  UncertifiedPage,
  UncertifiedRun,
} from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { folderOf, openForWriting, patiently, schemaFile } from './connect.js';
import { migrate } from './migrate.js';
import { readStoreID } from './storeID.js';
import { openRuns } from './openRuns.js';
import type { OpenRuns } from './openRuns.js';

export async function openAuditStore({ url, schema = 'Audit' }: AuditOptions): Promise<AuditStore> {
  return new SqliteAuditStore(await openForWriting(schemaFile(folderOf(url), schema)));
}

class SqliteAuditStore implements AuditStore {
  readonly pace = { groupMs: 4, lookMs: 400, removeRows: 250 };
  /** One connection can hold one transaction, and transactions await: they queue here. */
  #last: Promise<unknown> = Promise.resolve();
  #transaction: AuditTransaction | undefined;
  #frame: Record<'begin' | 'commit', Database.Statement> | undefined;
  #openRuns: OpenRuns | undefined;

  constructor(readonly db: Database.Database) {}

  migrate(): Promise<number[]> {
    return migrate(this.db);
  }

  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#run(work));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    // Statements are prepared once, when the tables exist.
    const tx = (this.#transaction ??= auditTransaction(this.db));
    const { begin, commit } = (this.#frame ??= {
      begin: this.db.prepare('BEGIN IMMEDIATE'),
      commit: this.db.prepare('COMMIT'),
    });
    await patiently(() => begin.run());
    try {
      const result = await work(tx);
      commit.run();
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
    await this.#last;
    this.db.close();
  }
}
