/** The audit tables in a PostgreSQL schema. */
import type {
  AuditOptions,
  AuditStore,
  AuditTransaction,
  StorePace,
  UncertifiedPage,
  UncertifiedRun,
} from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { migrate } from './migrate.js';
import { rowReader } from './rows.js';
import { run } from './run.js';
import { quote, schemaName } from './schemaName.js';
import type { Statements } from './statements.js';
import { statements } from './statements.js';
import { readStoreID } from './storeID.js';
import { inTransaction, READ, WRITE } from './transactions.js';
import { readUrl } from './url.js';

const CONNECTIONS = 10;
const STATEMENT_TIMEOUT_MS = 60_000;

const readUncertified = rowReader<UncertifiedRun>([
  'RunID',
  'LogID',
  'Status',
  'StartTime',
  'EndTime',
  'WorkflowID',
]);

export async function openAuditStore({ url, schema }: AuditOptions): Promise<AuditStore> {
  const name = schemaName(schema);
  const db = await connect(readUrl(url), {
    connections: CONNECTIONS,
    statementMs: STATEMENT_TIMEOUT_MS,
    readOnly: false,
  });
  return new PostgresAuditStore(db, name);
}

class PostgresAuditStore implements AuditStore {
  readonly pace: StorePace = { groupMs: 1, lookMs: 400, removeRows: 500 };
  readonly #sql: Statements;

  constructor(
    readonly db: Database,
    readonly schema: string,
  ) {
    this.#sql = statements(quote(schema));
  }

  migrate(): Promise<number[]> {
    return migrate(this.db, this.schema);
  }

  storeID(): Promise<string> {
    return readStoreID(this.db, this.#sql);
  }

  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    return inTransaction(this.db, WRITE, (client) => work(auditTransaction(client, this.#sql)));
  }

  async uncertifiedRuns({ namespace, ended, after, limit }: UncertifiedPage): Promise<UncertifiedRun[]> {
    const statement = ended ? this.#sql.endedRuns : this.#sql.openRuns;
    const values = [namespace, after?.LogID ?? 0, after?.RunID ?? '', limit];
    const rows = await inTransaction(this.db, READ, (client) => run(client, statement, values));
    return rows.map(readUncertified);
  }

  async countOpenRuns(namespace: string): Promise<number> {
    const [row] = await inTransaction(this.db, READ, (client) =>
      run(client, this.#sql.countOpenRuns, [namespace]),
    );
    return Number(row![0]);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
