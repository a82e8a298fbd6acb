/** The audit tables for people: every transaction here is read-only. */
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
import { checkReadable } from './checkRights.js';
import type { Database } from './connect.js';
import { connect } from './connect.js';
import { listBatches } from './listBatches.js';
import { listSeals } from './listSeals.js';
import { query } from './query.js';
import {
  readBatches,
  readBatchRow,
  readOldRow,
  readRunRow,
  readSealRow,
  readStrayRow,
  readTombstoneRow,
} from './readBatches.js';
import { run } from './run.js';
import { quote, schemaName } from './schemaName.js';
import type { Texts } from './rows.js';
import type { Statement, Statements } from './statements.js';
import { statements } from './statements.js';
import { readCreatedAt, readStoreID } from './storeID.js';
import { inTransaction, READ } from './transactions.js';
import { readUrl } from './url.js';

const CONNECTIONS = 4;
/** People's own statements may take a while. */
const STATEMENT_TIMEOUT_MS = 5 * 60_000;

export async function openAuditReader({ url, schema }: AuditOptions): Promise<AuditReader> {
  const name = schemaName(schema);
  const db = await connect(readUrl(url), {
    connections: CONNECTIONS,
    statementMs: STATEMENT_TIMEOUT_MS,
    readOnly: true,
  });
  try {
    await checkReadable(db, name);
  } catch (error) {
    await db.close();
    throw error;
  }
  return new PostgresAuditReader(db, name);
}

class PostgresAuditReader implements AuditReader {
  readonly #sql: Statements;

  constructor(
    readonly db: Database,
    readonly schema: string,
  ) {
    this.#sql = statements(quote(schema));
  }

  async batches(filter: BatchFilter): Promise<PipelineLog[]> {
    const statement = listBatches(quote(this.schema), filter);
    const rows = await inTransaction(this.db, READ, (client) =>
      run(client, { text: statement.text }, statement.values),
    );
    return rows.map(readBatchRow);
  }

  async batch(logID: number): Promise<BatchRecord | undefined> {
    const [record] = await this.records([logID]);
    return record;
  }

  records(logIDs: readonly number[]): Promise<BatchRecord[]> {
    return inTransaction(this.db, READ, (client) =>
      readBatches(client, this.#sql, this.#sql.findBatches, logIDs),
    );
  }

  oldBatches({ before, keepFailed = false, after, limit }: OldFilter): Promise<OldBatch[]> {
    const values = [before, keepFailed, after?.StartTime ?? '-infinity', after?.LogID ?? 0, limit];
    return this.#read(this.#sql.oldBatches, values, readOldRow);
  }

  async runs(runIDs: readonly string[]): Promise<PipelineRun[]> {
    const rows = await inTransaction(this.db, READ, (client) => run(client, this.#sql.findRuns, [runIDs]));
    return rows.map(readRunRow);
  }

  storeID(): Promise<string> {
    return readStoreID(this.db, this.#sql);
  }

  createdAt(): Promise<string> {
    return readCreatedAt(this.db, this.#sql);
  }

  async seals(filter: SealFilter): Promise<Seal[]> {
    const statement = listSeals(quote(this.schema), filter);
    const rows = await inTransaction(this.db, READ, (client) =>
      run(client, { text: statement.text }, statement.values),
    );
    return rows.map(readSealRow);
  }

  async latestSeals(logIDs: readonly number[]): Promise<Seal[]> {
    const rows = await inTransaction(this.db, READ, (client) => run(client, this.#sql.findSeals, [logIDs]));
    return rows.map(readSealRow);
  }

  tombstones({ after, limit }: TombstonePage): Promise<Tombstone[]> {
    const values = [after?.LogID ?? 0, after?.RunID ?? '', limit];
    return this.#read(this.#sql.listTombstones, values, readTombstoneRow);
  }

  purgedRuns(runIDs: readonly string[]): Promise<Tombstone[]> {
    return this.#read(this.#sql.findTombstones, [runIDs], readTombstoneRow);
  }

  async countPurged(by: number): Promise<number> {
    const [count] = await this.#read(this.#sql.countPurged, [by], ([text]) => Number(text));
    return count!;
  }

  async #read<Row>(
    statement: Statement,
    values: readonly unknown[],
    read: (texts: Texts) => Row,
  ): Promise<Row[]> {
    const rows = await inTransaction(this.db, READ, (client) => run(client, statement, values));
    return rows.map(read);
  }

  async strays(): Promise<Stray[]> {
    const rows = await inTransaction(this.db, READ, (client) => run(client, this.#sql.strays, []));
    return rows.map(readStrayRow);
  }

  query(sql: string): Promise<{ columns: string[]; rows: SqlRow[] }> {
    return query(this.db, sql, this.schema);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
