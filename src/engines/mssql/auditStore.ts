/** The audit tables in a schema of an SQL Server database. */
import type { AuditOptions, AuditStore, AuditTransaction, StorePace, UncertifiedRun } from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { MOST_CHARACTERS } from './columns.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { storedID } from './ids.js';
import { migrate } from './migrate.js';
import { readRows } from './rows.js';
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
  readonly pace: StorePace = { groupMs: 1, lookMs: 400 };
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

  async uncertifiedRuns(namespace: string): Promise<UncertifiedRun[]> {
    const { driver } = this.db;
    const [runs] = await reading(this.db, (session) =>
      session.run(this.#sql.uncertifiedRuns, {
        namespace: [driver.NVarChar(MOST_CHARACTERS), storedID(namespace)],
      }),
    );
    return readRows<UncertifiedRun>(['RunID', 'LogID', 'Status', 'EndTime', 'WorkflowID'], runs);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
