/** The audit tables for people: every connection here is read-only. */
import type Database from 'better-sqlite3';
import { NotFound } from '../../domain/errors.js';
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
import { folderOf, hasTable, openForReading, patiently, schemaFile } from './connect.js';
import { oldBatches } from './oldBatches.js';
import { query } from './query.js';
import { batchReader } from './readBatch.js';
import { fromStored } from './rows.js';
import { readCreatedAt, readStoreID } from './storeID.js';
import { findStrays } from './strays.js';

export async function openAuditReader({ url, schema = 'Audit' }: AuditOptions): Promise<AuditReader> {
  const folder = folderOf(url);
  const db = await openForReading(schemaFile(folder, schema));
  if (!(await patiently(() => hasTable(db, 'PipelineLog')))) {
    db.close();
    throw new NotFound(
      `There are no audit tables in ${db.name}. They are made by the first worker that uses it, or by: batchtrail migrate`,
    );
  }
  return new SqliteAuditReader(db, folder);
}

/** Only what was asked for stands in the statement, so that the planner can choose an index. */
const CONDITIONS: { [Name in keyof Omit<BatchFilter, 'limit'>]-?: string } = {
  pipeline: 'PipelineName = @pipeline',
  status: 'Status = @status',
  open: "Resolution = 'open'",
  about: '(LogID = @about OR ReplayOfLogID = @about OR ResolvedByLogID = @about)',
  since: 'StartTime >= @since',
  until: 'StartTime < @until',
  text: "contains(PipelineName || char(10) || ifnull(WorkflowID, '') || char(10) || ifnull(ErrorMessage, '') || char(10) || ifnull(CustomMessage, ''), @text)",
  after: '(StartTime, LogID) < (@afterTime, @afterID)',
};

function conditions({ open, text, after, limit: _, ...filter }: BatchFilter) {
  const given = {
    ...filter,
    ...(open ? { open } : {}),
    ...(text === undefined ? {} : { text: text.toLowerCase() }),
    ...(after ? { after } : {}),
  };
  const asked = Object.entries(given).filter(([, value]) => value !== undefined);
  const parts = asked.map(([name]) => CONDITIONS[name as keyof typeof CONDITIONS]);
  const values = Object.fromEntries(asked.filter(([name]) => name !== 'open' && name !== 'after'));
  return {
    where: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '',
    values: after ? { ...values, afterTime: after.StartTime, afterID: after.LogID } : values,
  };
}

class SqliteAuditReader implements AuditReader {
  #readBatch: ReturnType<typeof batchReader> | undefined;

  constructor(
    readonly db: Database.Database,
    readonly folder: string,
  ) {
    // SQLite's own LIKE knows upper and lower case of ASCII letters only.
    db.function('contains', (text, part) => Number(String(text).toLowerCase().includes(String(part))));
  }

  async batches(filter: BatchFilter): Promise<PipelineLog[]> {
    const { where, values } = conditions(filter);
    const rows = await patiently(() =>
      this.db
        .prepare(`SELECT * FROM main.PipelineLog ${where} ORDER BY StartTime DESC, LogID DESC LIMIT @limit`)
        .all({ ...values, limit: filter.limit ?? -1 }),
    );
    return rows.map((row) => fromStored<PipelineLog>(row));
  }

  batch(logID: number): Promise<BatchRecord | undefined> {
    return patiently(() => this.db.transaction(() => batchReader(this.db)(logID))());
  }

  records(logIDs: readonly number[]): Promise<BatchRecord[]> {
    const read = (): BatchRecord[] =>
      logIDs.map((this.#readBatch ??= batchReader(this.db))).filter((record) => record !== undefined);
    return patiently(() => this.db.transaction(read)());
  }

  oldBatches(filter: OldFilter): Promise<OldBatch[]> {
    return patiently(() => oldBatches(this.db, filter));
  }

  async runs(runIDs: readonly string[]): Promise<PipelineRun[]> {
    const find = this.db.prepare<[string], PipelineRun>('SELECT * FROM main.PipelineRun WHERE RunID = ?');
    return patiently(() => runIDs.flatMap((runID) => find.all(runID)));
  }

  async storeID(): Promise<string> {
    return patiently(() => readStoreID(this.db));
  }

  async createdAt(): Promise<string> {
    return patiently(() => readCreatedAt(this.db));
  }

  seals({ logID, after = 0, limit }: SealFilter): Promise<Seal[]> {
    const ofBatch = logID === undefined ? '' : 'AND LogID = @logID';
    const select = this.db.prepare<[object], Seal>(
      `SELECT * FROM main.Seal WHERE SealNo > @after ${ofBatch} ORDER BY SealNo LIMIT @limit`,
    );
    return patiently(() => select.all({ after, limit, ...(logID === undefined ? {} : { logID }) }));
  }

  latestSeals(logIDs: readonly number[]): Promise<Seal[]> {
    const select = this.db.prepare<[number], Seal>(
      'SELECT * FROM main.Seal WHERE LogID = ? ORDER BY SealNo DESC LIMIT 1',
    );
    return patiently(() => logIDs.flatMap((logID) => select.all(logID)));
  }

  tombstones({ after, limit }: TombstonePage): Promise<Tombstone[]> {
    const select = this.db.prepare<[object], Tombstone>(
      `SELECT * FROM main.Tombstone WHERE (LogID, RunID) > (@logID, @runID) ORDER BY LogID, RunID LIMIT @limit`,
    );
    return patiently(() => select.all({ logID: after?.LogID ?? 0, runID: after?.RunID ?? '', limit }));
  }

  purgedRuns(runIDs: readonly string[]): Promise<Tombstone[]> {
    const select = this.db.prepare<[string], Tombstone>('SELECT * FROM main.Tombstone WHERE RunID = ?');
    return patiently(() => runIDs.flatMap((runID) => select.all(runID)));
  }

  countPurged(by: number): Promise<number> {
    const count = this.db
      .prepare<[number], number>('SELECT COUNT(DISTINCT LogID) FROM main.Tombstone WHERE PurgedByLogID = ?')
      .pluck();
    return patiently(() => count.get(by)!);
  }

  strays(): Promise<Stray[]> {
    return patiently(() => findStrays(this.db));
  }

  query(sql: string): Promise<{ columns: string[]; rows: SqlRow[] }> {
    return query(this.db, this.folder, sql);
  }

  async close(): Promise<void> {
    this.db.close();
  }
}
