/** The audit tables in a schema of an SQL Server database. */
import type {
  AuditOptions,
  AuditStore,
  AuditTransaction,
  StorePace,
  UncertifiedPage,
  UncertifiedRun,
} from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { MOST_CHARACTERS } from './columns.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { storedID } from './ids.js';
import { migrate } from './migrate.js';
import { readRows } from './rows.js';
import type { Inputs } from './session.js';
import { quote, schemaName } from './schemaName.js';
import type { Statements } from './statements.js';
import { statements } from './statements.js';
import { readStoreID } from './storeID.js';
import { inTransaction, reading } from './transactions.js';
import type { Server } from './url.js';
import { readUrl } from './url.js';

const CONNECTIONS = 10;

export async function openAuditStore({ url, schema }: AuditOptions): Promise<AuditStore> {
  const name = schemaName(schema);
  const server = readUrl(url);
  return new MssqlAuditStore(server, await connect(server, { connections: CONNECTIONS }), name);
}

class MssqlAuditStore implements AuditStore {
  readonly pace: StorePace = { groupMs: 1, lookMs: 400, removeRows: 500 };
  readonly #sql: Statements;

  constructor(
    readonly server: Server,
    readonly db: Database,
    readonly schema: string,
  ) {
    this.#sql = statements(quote(schema));
  }

  migrate(): Promise<number[]> {
    return migrate(this.server, this.db, this.schema);
  }

  storeID(): Promise<string> {
    return readStoreID(this.db, this.#sql);
  }

  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    return inTransaction(this.db, 'commit', (session) => work(auditTransaction(session, this.#sql)));
  }

  async uncertifiedRuns({ namespace, ended, after, limit }: UncertifiedPage): Promise<UncertifiedRun[]> {
    const { Int } = this.db.driver;
    const [runs] = await reading(this.db, (session) =>
      session.run(ended ? this.#sql.endedRuns : this.#sql.openRuns, {
        namespace: this.#id(namespace),
        logID: [Int, after?.LogID ?? 0],
        runID: this.#id(after?.RunID ?? ''),
        limit: [Int, limit],
      }),
    );
    return readRows<UncertifiedRun>(['RunID', 'LogID', 'Status', 'StartTime', 'EndTime', 'WorkflowID'], runs);
  }

  async countOpenRuns(namespace: string): Promise<number> {
    const [found] = await reading(this.db, (session) =>
      session.run(this.#sql.countOpenRuns, { namespace: this.#id(namespace) }),
    );
    return Number(found![0]!['runs']);
  }

  #id(text: string): Inputs[string] {
    return [this.db.driver.NVarChar(MOST_CHARACTERS), storedID(text)];
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
