/** The audit tables in a Snowflake schema. */
import type {
  AuditOptions,
  AuditStore,
  AuditTransaction,
  StorePace,
  UncertifiedPage,
  UncertifiedRun,
} from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { Database } from './database.js';
import { migrate } from './migrate.js';
import { Pace } from './pace.js';
import { countOpenRuns, readUncertified, uncertifiedRuns } from './openRuns.js';
import { schemaName } from './schemaName.js';
import { selectStoreID } from './statements.js';
import { inTransaction } from './transactions.js';
import { readUrl } from './url.js';

const SESSIONS = 4;

export async function openAuditStore({ url, schema }: AuditOptions): Promise<AuditStore> {
  const pace = new Pace();
  const db = await Database.open(readUrl(url), { schema: schemaName(schema), sessions: SESSIONS, pace });
  return new SnowflakeAuditStore(db, pace);
}

class SnowflakeAuditStore implements AuditStore {
  readonly pace: StorePace = { groupMs: 1_000, lookMs: 30_000, removeRows: 20_000 };

  constructor(
    readonly db: Database,
    readonly statements: Pace,
  ) {}

  migrate(): Promise<number[]> {
    return migrate(this.db);
  }

  async storeID(): Promise<string> {
    const [row] = await inTransaction(this.db, this.statements, (frame) =>
      frame.read([], selectStoreID(this.db.schema)),
    );
    return row!['StoreID'] as string;
  }

  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    return inTransaction(this.db, this.statements, (frame) => work(auditTransaction(frame, this.db.schema)));
  }

  async uncertifiedRuns(page: UncertifiedPage): Promise<UncertifiedRun[]> {
    const rows = await inTransaction(this.db, this.statements, (frame) =>
      frame.read(['PipelineRun', 'PipelineLog'], uncertifiedRuns(this.db.schema, page)),
    );
    return rows.map(readUncertified);
  }

  async countOpenRuns(namespace: string): Promise<number> {
    const [row] = await inTransaction(this.db, this.statements, (frame) =>
      frame.read(['PipelineRun', 'PipelineLog'], countOpenRuns(this.db.schema, namespace)),
    );
    return Number(row!['runs']);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
