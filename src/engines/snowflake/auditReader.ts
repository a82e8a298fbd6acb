/** The audit tables for people. Nothing here sends a statement that writes. */
import { PIPELINE_LOG_COLUMNS, PIPELINE_RUN_COLUMNS, TOMBSTONE_COLUMNS } from '../../domain/columns.js';
import { BadConfig } from '../../domain/errors.js';
import type { BatchRecord, PipelineLog, PipelineRun, Seal, Tombstone } from '../../domain/model.js';
import type { SqlRow } from '../../domain/table.js';
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
import { toRecords } from '../shared/records.js';
import { Database } from './database.js';
import { explained, isMissing, isSessionGone } from './errors.js';
import { listBatches } from './listBatches.js';
import { oldBatches, readOldBatch } from './oldBatches.js';
import { query } from './query.js';
import { queryTag } from './queryTag.js';
import { belongings, readRecords, rowsOf } from './records.js';
import { rowReader } from './rows.js';
import { schemaName } from './schemaName.js';
import { latestSeals, listSeals, readSeal } from './seals.js';
import type { Row, Statement } from './session.js';
import { ids, readList, selectCreatedAt, selectStoreID, selectStrays } from './statements.js';
import { readUrl } from './url.js';

const SESSIONS = 2;

export async function openAuditReader({ url, schema }: AuditOptions): Promise<AuditReader> {
  return new SnowflakeAuditReader(
    await Database.open(readUrl(url), { schema: schemaName(schema), sessions: SESSIONS }),
  );
}

class SnowflakeAuditReader implements AuditReader {
  constructor(readonly db: Database) {}

  async batches(filter: BatchFilter): Promise<PipelineLog[]> {
    const rows = await this.#read(listBatches(this.db.schema, filter));
    return rows.map(rowReader<PipelineLog>(PIPELINE_LOG_COLUMNS));
  }

  async batch(logID: number): Promise<BatchRecord | undefined> {
    const [record] = await this.records([logID]);
    return record;
  }

  async records(logIDs: readonly number[]): Promise<BatchRecord[]> {
    if (logIDs.length === 0) return [];
    const asked = ids(logIDs);
    const batch = { ...asked, text: `T.LogID IN ${asked.text}` };
    const rows = await this.#read(readRecords(this.db.schema, batch, asked, PIPELINE_LOG_COLUMNS), [
      ...logIDs,
    ]);
    return toRecords(rowsOf<PipelineLog>(rows, 'PipelineLog', PIPELINE_LOG_COLUMNS), belongings(rows));
  }

  async oldBatches(filter: OldFilter): Promise<OldBatch[]> {
    const rows = await this.#read(oldBatches(this.db.schema, filter));
    return rows.map(readOldBatch);
  }

  async runs(runIDs: readonly string[]): Promise<PipelineRun[]> {
    if (runIDs.length === 0) return [];
    const { text, binds } = ids(runIDs);
    const rows = await this.#read({
      text: `SELECT ${readList(PIPELINE_RUN_COLUMNS)} FROM ${this.db.schema}.PipelineRun T WHERE T.RunID IN ${text}`,
      binds,
    });
    return rows.map(rowReader<PipelineRun>(PIPELINE_RUN_COLUMNS));
  }

  async storeID(): Promise<string> {
    const [row] = await this.#read(selectStoreID(this.db.schema));
    return row!['StoreID'] as string;
  }

  async createdAt(): Promise<string> {
    const [row] = await this.#read(selectCreatedAt(this.db.schema));
    return rowReader<{ CreatedAt: string }>(['CreatedAt'])(row!).CreatedAt;
  }

  async seals(filter: SealFilter): Promise<Seal[]> {
    const { logID } = filter;
    const rows = await this.#read(listSeals(this.db.schema, filter), logID === undefined ? [] : [logID]);
    return rows.map(readSeal);
  }

  async latestSeals(logIDs: readonly number[]): Promise<Seal[]> {
    if (logIDs.length === 0) return [];
    const statement = latestSeals(`${this.db.schema}.Seal`, logIDs);
    return (await this.#read(statement, [...logIDs])).map(readSeal);
  }

  async tombstones({ after, limit }: TombstonePage): Promise<Tombstone[]> {
    const logID = after?.LogID ?? 0;
    const rows = await this.#read({
      text: `${this.#selectTombstones()} WHERE T.LogID >= ? AND (T.LogID > ? OR T.RunID > ?)
        ORDER BY T.LogID, T.RunID LIMIT ${Math.trunc(limit)}`,
      binds: [logID, logID, after?.RunID ?? ''],
    });
    return rows.map(rowReader<Tombstone>(TOMBSTONE_COLUMNS));
  }

  async purgedRuns(runIDs: readonly string[]): Promise<Tombstone[]> {
    if (runIDs.length === 0) return [];
    const { text, binds } = ids(runIDs);
    const rows = await this.#read({ text: `${this.#selectTombstones()} WHERE T.RunID IN ${text}`, binds });
    return rows.map(rowReader<Tombstone>(TOMBSTONE_COLUMNS));
  }

  #selectTombstones(): string {
    return `SELECT ${readList(TOMBSTONE_COLUMNS)} FROM ${this.db.schema}.Tombstone T`;
  }

  async countPurged(by: number): Promise<number> {
    const [row] = await this.#read({
      text: `SELECT COUNT(DISTINCT LogID) AS "batches" FROM ${this.db.schema}.Tombstone WHERE PurgedByLogID = ?`,
      binds: [by],
    });
    return Number(row!['batches']);
  }

  async strays(): Promise<Stray[]> {
    const rows = await this.#read(selectStrays(this.db.schema));
    return rows.map(rowReader<Stray>(['TableName', 'LogID', 'RowsFound']));
  }

  query(sql: string): Promise<{ columns: string[]; rows: SqlRow[] }> {
    return patiently(this.db, () => this.db.use((session) => query(session, sql)));
  }

  close(): Promise<void> {
    return this.db.close();
  }

  async #read(statement: Statement, batchIDs: number[] = []): Promise<Row[]> {
    const { label, schema } = this.db;
    try {
      const { rows } = await patiently(this.db, () =>
        this.db.use((session) => session.run(statement, { tag: queryTag(batchIDs) })),
      );
      return rows;
    } catch (error) {
      if (!isMissing(error)) throw explained(error, label);
      throw new BadConfig(
        `${label}: there are no audit tables in schema ${schema}, or this role has no right to read them. ` +
          'Run batchtrail migrate, or let a DBA grant USAGE on the schema and SELECT on its tables',
        { cause: error },
      );
    }
  }
}

/** Again on another session, where the one that was kept is gone. */
async function patiently<T>(db: Database, work: () => Promise<T>): Promise<T> {
  for (let lost = 0; ; lost++) {
    try {
      return await work();
    } catch (error) {
      if (!isSessionGone(error) || lost > db.options.sessions) throw error;
    }
  }
}
