/**
 * What an engine gives the rest of Batchtrail. One folder per engine implements this; nothing outside that folder
 * knows which engine it talks to.
 */
import type {
  Alert,
  BatchRecord,
  BatchStatus,
  PipelineEvent,
  PipelineLog,
  PipelineRun,
} from '../domain/model.js';
import type { SqlRow, SqlValue, TableName } from '../domain/table.js';

export interface Engine {
  /** The URL schemes this engine answers to, without the colon: `sqlite`. */
  readonly schemes: readonly string[];
  openAuditStore(options: AuditOptions): Promise<AuditStore>;
  openAuditReader(options: AuditOptions): Promise<AuditReader>;
  openWarehouse(options: WarehouseOptions): Promise<Warehouse>;
}

export interface AuditOptions {
  readonly url: string;
  /** The schema that holds the audit tables. Default: `Audit`. */
  readonly schema?: string | undefined;
}

/** The audit tables, for the worker. Calls may overlap; the store puts transactions in a row. */
export interface AuditStore {
  /** Creates or upgrades the schema; safe when several processes do it at once. Answers the versions it applied. */
  migrate(): Promise<number[]>;
  /**
   * Runs `work` as one durable, serializable transaction. `work` must await nothing but the transaction's own calls,
   * and may be run again after a conflict.
   */
  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T>;
  /** Runs of workflows that the audit shows as running. */
  runningRuns(namespace: string): Promise<Array<{ RunID: string; WorkflowID: string; LogID: number }>>;
  close(): Promise<void>;
}

export type NewBatch = Omit<PipelineLog, 'LogID'>;
export type NewAlert = Omit<Alert, 'AlertID'>;

/** Plain statements on the audit tables. What they mean together is decided in `audit/ledger.ts`, once for all engines. */
export interface AuditTransaction {
  findRun(runID: string): Promise<PipelineRun | undefined>;
  findBatch(logID: number): Promise<PipelineLog | undefined>;
  findBatchByOrigin(
    namespace: string,
    workflowID: string,
    originalRunID: string,
  ): Promise<PipelineLog | undefined>;
  /** The batch that continues this one: its PreviousLogID is this LogID. */
  findSuccessor(logID: number): Promise<PipelineLog | undefined>;
  insertBatch(batch: NewBatch): Promise<number>;
  updateBatch(logID: number, changes: Partial<NewBatch>): Promise<void>;
  insertRun(run: PipelineRun): Promise<void>;
  updateRun(runID: string, changes: Partial<PipelineRun>): Promise<void>;
  /** The events with these ids that exist. */
  findEvents(eventIDs: readonly string[]): Promise<PipelineEvent[]>;
  /** Inserts, or replaces the rows that have these ids. */
  putEvents(events: readonly PipelineEvent[]): Promise<void>;
  /** Says of events that history confirms them: `Witness` becomes `both`. */
  confirmEvents(eventIDs: readonly string[]): Promise<void>;
  insertAlert(alert: NewAlert): Promise<void>;
  resolveAlert(alertID: number, at: string): Promise<void>;
  findAlerts(logID: number): Promise<Alert[]>;
  /** A batch with its runs, events and alerts. */
  readBatch(logID: number): Promise<BatchRecord | undefined>;
}

export interface BatchFilter {
  readonly limit?: number | undefined;
  readonly pipeline?: string | undefined;
  readonly status?: BatchStatus | undefined;
}

/** The audit tables, for people: read-only by connection. */
export interface AuditReader {
  /** Newest first. */
  batches(filter: BatchFilter): Promise<PipelineLog[]>;
  batch(logID: number): Promise<BatchRecord | undefined>;
  /** Runs the user's own SELECT. */
  query(sql: string): Promise<{ columns: string[]; rows: SqlRow[] }>;
  close(): Promise<void>;
}

export interface WarehouseOptions {
  readonly url: string;
  /** Folder with one `<name>.sql` per transform, for engines without stored procedures. */
  readonly scripts?: string | undefined;
}

/** A named connection of the worker's configuration: what the ready-made pipelines read from and write to. */
export interface Warehouse {
  /** What to call this system in the audit: scheme and place, never a password. */
  readonly label: string;
  /** Streams a table in chunks. Throws `NotFound` when it is not there. */
  read(table: TableName, signal: AbortSignal): Promise<TableStream>;
  /**
   * Replaces this batch's rows of a staging table by the stream's, in one transaction, creating the table when it is
   * missing. The table gets the source's columns and `BatchID`.
   */
  stage(
    table: TableName,
    batchID: number,
    rows: TableStream,
    onProgress: (rows: number) => void,
  ): Promise<number>;
  /**
   * Runs a transform in one transaction: a stored procedure with `@CurrentBatchID` where the engine has them, the
   * script `<name>.sql` with the same bound parameter otherwise.
   */
  transform(name: TableName, batchID: number): Promise<void>;
  /** All rows of a table and the rows stamped with this batch; 0 and 0 when the table is not there yet. */
  count(table: TableName, batchID: number): Promise<{ total: number; ofBatch: number }>;
  close(): Promise<void>;
}

export interface TableStream {
  readonly columns: ReadonlyArray<{ readonly name: string; readonly type: string }>;
  readonly chunks: AsyncIterable<ReadonlyArray<readonly SqlValue[]>>;
}
