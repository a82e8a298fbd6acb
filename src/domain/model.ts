/**
 * The audit rows, spelled as people see them in SQL. These names are the table columns on every engine, the keys
 * of JSON output, and the properties the code works with: there is no second vocabulary to map between.
 *
 * Times are ISO 8601 strings in UTC with milliseconds; counts are integers up to 2^53 - 1.
 */

export const BATCH_STATUSES = [
  'Running',
  'Success',
  'Error',
  'Cancelled',
  'Terminated',
  'TimedOut',
  'Continued',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** The statuses that leave a batch open until it is replayed or dismissed, and that raise an alert. */
export const FAILED_STATUSES: readonly BatchStatus[] = ['Error', 'TimedOut', 'Terminated'];

export type RetryStatus = 'retrying' | 'recovered' | 'exhausted' | 'non-retryable';
export type Resolution = 'open' | 'replayed' | 'dismissed' | 'superseded';
export type Witness = 'live' | 'history' | 'both';

export type LogLevel = 'info' | 'debug' | 'warning' | 'error';
/** How an attempt ended. `retry`: it failed and Temporal tries again; `lost`: nobody reported its end. */
export type AttemptEnd = 'success' | 'failure' | 'retry' | 'cancelled' | 'lost';
export type EventType = 'start' | AttemptEnd | LogLevel;

/** Row counts and endpoints: reported by steps, summed up on the batch. */
export interface Counts {
  RowsProcessed: number | null;
  RowsRejected: number | null;
  RecordCountBefore: number | null;
  RecordCountAfter: number | null;
  SourceSystem: string | null;
  TargetSystem: string | null;
}

export const NO_COUNTS: Counts = {
  RowsProcessed: null,
  RowsRejected: null,
  RecordCountBefore: null,
  RecordCountAfter: null,
  SourceSystem: null,
  TargetSystem: null,
};

/** `Audit.PipelineLog`: one row per batch; its LogID is the BatchID on every loaded row. */
export interface PipelineLog extends Counts {
  LogID: number;
  PipelineName: string;
  StartTime: string;
  EndTime: string | null;
  Status: BatchStatus;
  ErrorMessage: string | null;
  Namespace: string | null;
  WorkflowID: string | null;
  /** The latest run of the batch; a reset adds runs. */
  RunID: string | null;
  /** The run that a reset keeps naming; with Namespace and WorkflowID it identifies the batch. */
  OriginalRunID: string | null;
  WorkflowType: string | null;
  TaskQueue: string | null;
  ScheduleID: string | null;
  ScheduledTime: string | null;
  RunByUser: string | null;
  InputDigest: string | null;
  DurationMs: number | null;
  RetryCount: number;
  RetryStatus: RetryStatus | null;
  AlertTriggered: boolean;
  CustomMessage: string | null;
  PreviousLogID: number | null;
  ParentLogID: number | null;
  ReplayOfLogID: number | null;
  Resolution: Resolution | null;
  ResolvedByLogID: number | null;
}

/** `Audit.PipelineRun`: every Temporal run of a batch; more than one only after a reset. */
export interface PipelineRun {
  RunID: string;
  LogID: number;
  Reason: 'start' | 'reset';
  StartTime: string;
  EndTime: string | null;
  Status: BatchStatus;
  ErrorMessage: string | null;
  CertifiedAt: string | null;
  CertifiedEventID: number | null;
  HistoryHash: string | null;
  GapCount: number | null;
}

/** `Audit.PipelineEvent`: one row per attempt start, attempt end, and log line. */
export interface PipelineEvent extends Counts {
  EventID: string;
  LogID: number;
  RunID: string;
  StepName: string;
  StepSequenceNum: number | null;
  ActivityID: string | null;
  Attempt: number | null;
  EventType: EventType;
  EventTime: string;
  DurationMs: number | null;
  Message: string | null;
  ErrorType: string | null;
  ErrorMessage: string | null;
  RetryStatus: RetryStatus | null;
  NextRetryTime: string | null;
  AlertTriggered: boolean;
  Worker: string | null;
  Witness: Witness;
  EventHash: string | null;
}

/** What an event leaves empty that has nothing more to say. */
export const NO_DETAILS = {
  ...NO_COUNTS,
  DurationMs: null,
  Message: null,
  ErrorType: null,
  ErrorMessage: null,
  RetryStatus: null,
  NextRetryTime: null,
  AlertTriggered: false,
  Worker: null,
  EventHash: null,
} satisfies Partial<PipelineEvent>;

export type AlertRule = 'step-failed' | 'batch-failed';

/** `Audit.Alert`: something a person must look at; open while ResolvedAt is null. */
export interface Alert {
  AlertID: number;
  LogID: number;
  /** The failed attempt's end event; null for an alert about the batch itself. */
  EventID: string | null;
  Rule: AlertRule;
  Severity: 'error' | 'critical';
  RaisedAt: string;
  ResolvedAt: string | null;
  Message: string;
}

/** `Audit.Seal`: what the audit said of a batch at one moment, in a chain over all batches; never changed. */
export interface Seal {
  /** 1, 2, 3 … without a gap. */
  SealNo: number;
  LogID: number;
  /** Hash of the batch's certified rows and of PrevRoot. */
  Root: string;
  /** The Root of the seal before this one, whatever its batch; null for the first. */
  PrevRoot: string | null;
  SealedAt: string;
}

/**
 * `Audit.Tombstone`: a run of a batch that was purged. It is all that is left of the batch beside its seals, of which the
 * last one covers its tombstones.
 */
export interface Tombstone {
  RunID: string;
  LogID: number;
  /** Of the seal that the batch had when it was purged. */
  Root: string;
  /** The batch of the purge. */
  PurgedByLogID: number;
  PurgedAt: string;
}

/** What identifies a run and what is known when it starts. Links are run ids here; the store turns them into LogIDs. */
export interface RunStart {
  Namespace: string;
  WorkflowID: string;
  RunID: string;
  OriginalRunID: string;
  PipelineName: string;
  WorkflowType: string | null;
  TaskQueue: string | null;
  StartTime: string;
  /** For a run that a reset made, a moment of its own life, by Temporal's clock; StartTime is the first run's then. */
  RunStartTime: string;
  ScheduleID: string | null;
  ScheduledTime: string | null;
  RunByUser: string | null;
  previousRunID: string | null;
  parentRunID: string | null;
  /** The failed run that this one does again. */
  replayedRunID: string | null;
}

/** A run's place in the audit. */
export interface BatchRef {
  LogID: number;
  PipelineName: string;
  WorkflowID: string | null;
  RunID: string;
}

/**
 * Everything the audit holds about one batch: runs in the order of their start, alerts in the order in which they were
 * raised, events by time, and those of one millisecond by attempt, each attempt's start before its end.
 */
export interface BatchRecord {
  batch: PipelineLog;
  runs: PipelineRun[];
  events: PipelineEvent[];
  alerts: Alert[];
}
