/** The audit tables in a Snowflake schema. */
import type { AuditOptions, AuditStore, AuditTransaction, StorePace, UncertifiedRun } from '../contract.js';
import { auditTransaction } from './auditTransaction.js';
import { Database } from './database.js';
import { migrate } from './migrate.js';
import { Pace } from './pace.js';
import { rowReader } from './rows.js';
import { schemaName } from './schemaName.js';
import { selectStoreID } from './statements.js';
import { inTransaction } from './transactions.js';
import { readUrl } from './url.js';

const SESSIONS = 4;
const UNCERTIFIED_COLUMNS = ['RunID', 'LogID', 'Status', 'EndTime', 'WorkflowID'] as const;

export async function openAuditStore({ url, schema }: AuditOptions): Promise<AuditStore> {
  const pace = new Pace();
  const db = await Database.open(readUrl(url), { schema: schemaName(schema), sessions: SESSIONS, pace });
  return new SnowflakeAuditStore(db, pace);
}

class SnowflakeAuditStore implements AuditStore {
  readonly pace: StorePace = { groupMs: 1_000, lookMs: 30_000 };

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

  async uncertifiedRuns(namespace: string): Promise<UncertifiedRun[]> {
    const { schema } = this.db;
    const rows = await inTransaction(this.db, this.statements, (frame) =>
      frame.read(['PipelineRun', 'PipelineLog'], {
        text: `SELECT T.RunID AS "RunID", T.LogID AS "LogID", T.Status AS "Status",
            DATE_PART(EPOCH_MILLISECOND, T.EndTime) AS "EndTime", L.WorkflowID AS "WorkflowID"
          FROM ${schema}.PipelineRun T JOIN ${schema}.PipelineLog L ON L.LogID = T.LogID
          WHERE T.CertifiedAt IS NULL AND L.Namespace = ? AND L.WorkflowType IS NOT NULL ORDER BY T.LogID`,
        binds: [namespace],
      }),
    );
    return rows.map(rowReader<UncertifiedRun>(UNCERTIFIED_COLUMNS));
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
