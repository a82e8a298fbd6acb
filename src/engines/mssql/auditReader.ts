/** The audit tables for people. */
import { NotFound } from '../../domain/errors.js';
import { PIPELINE_LOG_COLUMNS, SEAL_COLUMNS, TOMBSTONE_COLUMNS } from '../../domain/columns.js';
import type { BatchRecord, PipelineLog, PipelineRun, Seal, Tombstone } from '../../domain/model.js';
import type {
  AuditOptions,
  AuditReader,
  BatchFilter,
  OldBatch,
  OldFilter,
  SealFilter,
  Stray,
  TombstonePage,
} from '../contract.js';
import { listStatement } from './batchFilter.js';
import { MOST_CHARACTERS } from './columns.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { findRuns } from './findRuns.js';
import { findSeals } from './findSeals.js';
import { findTombstones } from './findTombstones.js';
import { storedID } from './ids.js';
import { listSeals } from './listSeals.js';
import { query } from './query.js';
import { readBatches } from './readBatches.js';
import { readRows } from './rows.js';
import { quote, schemaName } from './schemaName.js';
import type { Answer } from './sqlValues.js';
import type { Statements } from './statements.js';
import { statements } from './statements.js';
import { readCreatedAt, readStoreID } from './storeID.js';
import { reading } from './transactions.js';
import { readUrl } from './url.js';

const CONNECTIONS = 4;
/** DATETIME2 has none before. */
const FIRST_TIME = '0001-01-01T00:00:00.000Z';

export async function openAuditReader({ url, schema }: AuditOptions): Promise<AuditReader> {
  const name = schemaName(schema);
  const db = await connect(readUrl(url), { connections: CONNECTIONS });
  try {
    await checkThere(db, name);
  } catch (error) {
    await db.close();
    throw error;
  }
  return new MssqlAuditReader(db, quote(name));
}

async function checkThere(db: Database, schema: string): Promise<void> {
  const [there] = await reading(db, (session) =>
    session.run(
      "SELECT 1 AS [There] FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = @schema AND TABLE_NAME = N'PipelineLog'",
      { schema: [db.driver.NVarChar(128), schema] },
    ),
  );
  if (there?.length !== 0) return;
  throw new NotFound(
    `${db.label} has no table ${schema}.PipelineLog, or this user has no right to read it. \`batchtrail migrate\` makes the tables, and so does the first worker that uses them`,
  );
}

class MssqlAuditReader implements AuditReader {
  readonly #sql: Statements;

  /** `schema` in brackets. */
  constructor(
    readonly db: Database,
    readonly schema: string,
  ) {
    this.#sql = statements(schema);
  }

  async batches(filter: BatchFilter): Promise<PipelineLog[]> {
    const { text, inputs } = listStatement(this.db.driver, this.schema, filter);
    const [rows] = await reading(this.db, (session) => session.run(text, inputs));
    return readRows<PipelineLog>(PIPELINE_LOG_COLUMNS, rows);
  }

  async batch(logID: number): Promise<BatchRecord | undefined> {
    const [record] = await this.records([logID]);
    return record;
  }

  records(logIDs: readonly number[]): Promise<BatchRecord[]> {
    return reading(this.db, (session) => readBatches(session, this.#sql, this.#sql.findBatches, logIDs));
  }

  async oldBatches({ before, keepFailed = false, after, limit }: OldFilter): Promise<OldBatch[]> {
    const { Bit, DateTime2, Int } = this.db.driver;
    const [rows] = await reading(this.db, (session) =>
      session.run(this.#sql.oldBatches, {
        before: [DateTime2(3), new Date(before)],
        keepFailed: [Bit, keepFailed],
        startTime: [DateTime2(3), new Date(after?.StartTime ?? FIRST_TIME)],
        logID: [Int, after?.LogID ?? 0],
        limit: [Int, limit],
      }),
    );
    return readRows<OldBatch>(['LogID', 'PipelineName', 'StartTime', 'Events'], rows);
  }

  runs(runIDs: readonly string[]): Promise<PipelineRun[]> {
    return reading(this.db, (session) => findRuns(session, this.#sql, runIDs));
  }

  storeID(): Promise<string> {
    return readStoreID(this.db, this.#sql);
  }

  createdAt(): Promise<string> {
    return readCreatedAt(this.db, this.#sql);
  }

  async seals(filter: SealFilter): Promise<Seal[]> {
    const { text, inputs } = listSeals(this.db.driver, this.schema, filter);
    const [rows] = await reading(this.db, (session) => session.run(text, inputs));
    return readRows<Seal>(SEAL_COLUMNS, rows);
  }

  latestSeals(logIDs: readonly number[]): Promise<Seal[]> {
    return reading(this.db, (session) => findSeals(session, this.#sql, logIDs));
  }

  async tombstones({ after, limit }: TombstonePage): Promise<Tombstone[]> {
    const { Int, NVarChar } = this.db.driver;
    const [rows] = await reading(this.db, (session) =>
      session.run(this.#sql.listTombstones, {
        logID: [Int, after?.LogID ?? 0],
        runID: [NVarChar(MOST_CHARACTERS), storedID(after?.RunID ?? '')],
        limit: [Int, limit],
      }),
    );
    return readRows<Tombstone>(TOMBSTONE_COLUMNS, rows);
  }

  purgedRuns(runIDs: readonly string[]): Promise<Tombstone[]> {
    return reading(this.db, (session) => findTombstones(session, this.#sql, runIDs));
  }

  async countPurged(by: number): Promise<number> {
    const [rows] = await reading(this.db, (session) =>
      session.run(this.#sql.countPurged, { by: [this.db.driver.Int, by] }),
    );
    return Number(rows![0]!['batches']);
  }

  async strays(): Promise<Stray[]> {
    const [rows] = await reading(this.db, (session) => session.run(this.#sql.strays, {}));
    return readRows<Stray>(['TableName', 'LogID', 'RowsFound'], rows);
  }

  query(sql: string): Promise<Answer> {
    return query(this.db, sql);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
