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
  Seal,
  Tombstone,
} from '../domain/model.js';
import type { SqlRow } from '../domain/table.js';
import type { TargetReader } from './targetReaderContract.js';
import type { TransferEngine } from './transferContract.js';
import type { Warehouse, WarehouseOptions } from './warehouseContract.js';

/** An engine has the roles that it can play: it keeps an audit, or is a source or target of pipelines, or all of these. */
export interface Engine extends Partial<AuditEngine>, TransferEngine {
  openWarehouse?(options: WarehouseOptions): Promise<Warehouse>;
  openTargetReader?(options: { readonly url: string }): Promise<TargetReader>;
}

export interface AuditEngine {
  openAuditStore(options: AuditOptions): Promise<AuditStore>;
  openAuditReader(options: AuditOptions): Promise<AuditReader>;
  /** The statements that `migrate` would run on an empty database, for people who run them by hand. */
  migrationScript(options: AuditOptions): string;
}

export interface AuditOptions {
  readonly url: string;
  /** The schema that holds the audit tables. Default: `Audit`. */
  readonly schema?: string | undefined;
}

/** The audit tables, for the worker. Calls may overlap. */
export interface AuditStore {
  /** How often this store should be asked: a statement costs microseconds on one engine and a second on another. */
  readonly pace: StorePace;
  /**
   * Creates or upgrades the schema; safe when several processes do it at once. Answers the versions it applied. Needs
   * the right to create tables only when there is something to apply.
   */
  migrate(): Promise<number[]>;
  /** Tells this store from all others, which count their batches from 1, too. */
  storeID(): Promise<string>;
  /**
   * Runs `work` as one durable transaction: all of its changes or none. `work` must await nothing but the
   * transaction's own calls, and is run again after a conflict with another transaction.
   */
  transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T>;
  /**
   * A page of the runs of workflows (their batch has a WorkflowType) whose CertifiedAt is NULL, in the order of LogID and
   * RunID. It costs what the page has, not what the audit has.
   */
  uncertifiedRuns(page: UncertifiedPage): Promise<UncertifiedRun[]>;
  /** How many runs of workflows go on. */
  countOpenRuns(namespace: string): Promise<number>;
  close(): Promise<void>;
}

export interface UncertifiedPage {
  readonly namespace: string;
  /** Those that have an EndTime, or those that have none. */
  readonly ended: boolean;
  /** Goes on after this run of an earlier page. */
  readonly after?: Pick<PipelineRun, 'LogID' | 'RunID'> | undefined;
  readonly limit: number;
}

export interface UncertifiedRun extends Pick<
  PipelineRun,
  'RunID' | 'LogID' | 'Status' | 'StartTime' | 'EndTime'
> {
  readonly WorkflowID: string;
}

export interface StorePace {
  /** How long a group commit is held open for others to join. */
  readonly groupMs: number;
  /** The time between two looks at which runs are not certified yet. */
  readonly lookMs: number;
  /** How many rows a purge removes in one transaction: what that locks, others wait for. A larger batch goes alone. */
  readonly removeRows: number;
}

export type NewBatch = Omit<PipelineLog, 'LogID'>;
export type NewAlert = Omit<Alert, 'AlertID'>;

/**
 * Plain statements on the audit tables, each for many rows, because a statement is what costs. What they mean together
 * is decided in `audit/ledger/`, once for all engines. Arguments may be empty; rows come back in any order, unless
 * said otherwise.
 */
export interface AuditTransaction {
  findRuns(runIDs: readonly string[]): Promise<PipelineRun[]>;
  findBatches(logIDs: readonly number[]): Promise<PipelineLog[]>;
  /** The rows stay locked until the transaction ends: who changes a batch reads it by this or by `readBatches`. */
  lockBatches(logIDs: readonly number[]): Promise<PipelineLog[]>;
  /** Batches with all that belongs to them, read after the batches' rows were locked; they stay so. */
  readBatches(logIDs: readonly number[]): Promise<BatchRecord[]>;
  /** The batches that continue these: their PreviousLogID is one of the LogIDs. */
  findSuccessors(logIDs: readonly number[]): Promise<PipelineLog[]>;
  /** The open batches that these started as children, or that are replays of these. */
  findOpenDependents(logIDs: readonly number[]): Promise<PipelineLog[]>;
  /** The batches that Schedules started for these times, but not those that went on as another one (`Continued`). */
  findScheduled(windows: readonly ScheduleWindow[]): Promise<PipelineLog[]>;
  findAlerts(logIDs: readonly number[]): Promise<Alert[]>;
  /** The events with these ids that exist. */
  findEvents(eventIDs: readonly string[]): Promise<PipelineEvent[]>;
  /** The latest seal of each of these batches that has one. */
  findSeals(logIDs: readonly number[]): Promise<Seal[]>;
  /**
   * The end of the chain of seals. Nobody else adds to the chain until the transaction ends, and what is read from now on
   * shows what all have committed who did before. To be called after the batches were locked that the transaction is
   * about, so that two don't wait for each other; one that locks more of them later may have to be run again.
   */
  lastSeal(): Promise<Seal | undefined>;

  /**
   * Gives each batch a LogID, or finds the one that its origin (Namespace and OriginalRunID) has already. Answers the
   * rows as they are in the table, in the order of the argument, which names no origin twice; undefined for an
   * OriginalRunID that has a tombstone.
   */
  openBatches(batches: readonly NewBatch[]): Promise<Array<PipelineLog | undefined>>;
  /** Inserts the runs that are not there. */
  insertRuns(runs: readonly PipelineRun[]): Promise<void>;
  /**
   * Inserts the events that are not there. The argument names no event twice. Throws `BatchGone` when the batch of one of
   * them was purged.
   */
  addEvents(events: readonly PipelineEvent[]): Promise<EventsFound>;
  insertAlerts(alerts: readonly NewAlert[]): Promise<void>;

  /** Inserts events, or replaces those that have these ids. */
  putEvents(events: readonly PipelineEvent[]): Promise<void>;
  /** Says of events that history confirms them: `Witness` becomes `both`. */
  confirmEvents(eventIDs: readonly string[]): Promise<void>;
  /** Replaces the rows of these runs. */
  updateRuns(runs: readonly PipelineRun[]): Promise<void>;
  /** Replaces the rows of these batches, which this transaction has locked. */
  updateBatches(batches: readonly PipelineLog[]): Promise<void>;
  resolveAlerts(alertIDs: readonly number[], at: string): Promise<void>;
  /** Adds to the chain whose end `lastSeal` answered. */
  insertSeals(seals: readonly Seal[]): Promise<void>;

  /** Those of these runs that have one. */
  findTombstones(runIDs: readonly string[]): Promise<Tombstone[]>;
  insertTombstones(tombstones: readonly Tombstone[]): Promise<void>;
  /**
   * Removes batches, which this transaction has locked, with their runs, events and alerts. Their seals stay, and so do the
   * links of other batches to them.
   */
  removeBatches(logIDs: readonly number[]): Promise<void>;

  /**
   * Gives work that one process does for all to this one, or leaves it with it, by the database's clock. Answers how far
   * the work has come; undefined while it is somebody else's turn.
   */
  takeTurn(turn: Turn): Promise<TurnTaken | undefined>;
  /** Remembers how far the work has come. */
  advance(scope: string, watermark: string): Promise<void>;
}

/** What a Schedule starts for one nominal time: more than one run where it is backfilled, or a run tried again. */
export type ScheduleWindow = Readonly<Record<(typeof SCHEDULE_WINDOW)[number], string>>;
export const SCHEDULE_WINDOW = ['Namespace', 'ScheduleID', 'ScheduledTime'] as const;

export interface Turn {
  /** Which work. Each has a turn and a watermark of its own. */
  readonly scope: string;
  readonly holder: string;
  /** When it is anybody's turn again. 0 gives it up at once. */
  readonly forMs: number;
}

export interface TurnTaken {
  /** At first, the time when the work was asked for by anybody, by the database's clock. */
  readonly watermark: string;
}

export interface EventsFound {
  /** The rows that were there already, and were left alone. */
  readonly existing: PipelineEvent[];
  /** Those of the events' runs that are closed. */
  readonly closedRuns: string[];
}

export interface BatchFilter {
  readonly pipeline?: string | undefined;
  readonly status?: BatchStatus | undefined;
  /** Only batches that failed and are neither repaired nor dismissed. */
  readonly open?: boolean | undefined;
  /** Only this batch, those that are replays of it, and those that it has repaired. */
  readonly about?: number | undefined;
  /** Batches that started at this time or later. */
  readonly since?: string | undefined;
  /** Batches that started before this time. */
  readonly until?: string | undefined;
  /** Part of the pipeline's name, the workflow id or a message; upper and lower case are the same. */
  readonly text?: string | undefined;
  /** Goes on after this row of an earlier page. */
  readonly after?: Pick<PipelineLog, 'StartTime' | 'LogID'> | undefined;
  readonly limit?: number | undefined;
}

export interface SealFilter {
  readonly logID?: number | undefined;
  /** Goes on after this SealNo. */
  readonly after?: number | undefined;
  readonly limit: number;
}

/** Which batches are old enough to be purged. Never those that run, are open, or have a run that is not certified. */
export interface OldFilter {
  /** Those that ended before this time. */
  readonly before: string;
  /** Without those that failed, also when they were repaired. */
  readonly keepFailed?: boolean | undefined;
  /** Goes on after this row of an earlier page. */
  readonly after?: Pick<OldBatch, 'StartTime' | 'LogID'> | undefined;
  readonly limit: number;
}

export interface OldBatch extends Pick<PipelineLog, 'LogID' | 'PipelineName' | 'StartTime'> {
  /** How many it has. */
  readonly Events: number;
}

export interface TombstonePage {
  /** Goes on after this row of an earlier page. */
  readonly after?: Pick<Tombstone, 'LogID' | 'RunID'> | undefined;
  readonly limit: number;
}

/** Rows of one batch in one table. */
export interface Stray {
  readonly TableName: (typeof OF_BATCHES)[number];
  readonly LogID: number;
  readonly RowsFound: number;
}

/** The tables whose rows can't be without their batch; seals can where there is a tombstone. */
export const OF_BATCHES = ['PipelineRun', 'PipelineEvent', 'Seal'] as const;

/** The audit tables, for people: it can not write. */
export interface AuditReader {
  /** Newest first; batches that started at the same time by LogID, highest first. */
  batches(filter: BatchFilter): Promise<PipelineLog[]>;
  batch(logID: number): Promise<BatchRecord | undefined>;
  /** Those of these batches that are there, in any order. */
  records(logIDs: readonly number[]): Promise<BatchRecord[]>;
  /** The oldest first; batches that started at the same time by LogID. It costs what is older than that, not what the audit has. */
  oldBatches(filter: OldFilter): Promise<OldBatch[]>;
  /** Those of these runs that have a row. */
  runs(runIDs: readonly string[]): Promise<PipelineRun[]>;
  storeID(): Promise<string>;
  /** When the store was made, by the database's clock: what ended before is no business of this audit. */
  createdAt(): Promise<string>;
  /** In the order of the chain. */
  seals(filter: SealFilter): Promise<Seal[]>;
  /** The latest seal of each of these batches that has one. */
  latestSeals(logIDs: readonly number[]): Promise<Seal[]>;
  /** In the order of LogID and RunID. */
  tombstones(page: TombstonePage): Promise<Tombstone[]>;
  /** Those of these runs whose batch was purged. */
  purgedRuns(runIDs: readonly string[]): Promise<Tombstone[]>;
  /** How many batches this one has purged. */
  countPurged(by: number): Promise<number>;
  /** Rows whose batch is not there. */
  strays(): Promise<Stray[]>;
  /** Runs the user's own SELECT. */
  query(sql: string): Promise<{ columns: string[]; rows: SqlRow[] }>;
  close(): Promise<void>;
}
