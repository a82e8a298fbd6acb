-- The audit tables. Names are unquoted, so Audit.PipelineLog and AUDIT.PIPELINELOG are the same. Times are UTC.
-- Snowflake enforces no keys; they are here for people and tools. The statements that write keep the rows unique.
-- There is no clustering: rows come in the order of their LogIDs, and that is how they are asked for.

CREATE TABLE IF NOT EXISTS ${schema}.Store (
  StoreID VARCHAR NOT NULL COMMENT 'Tells this audit from others that count their batches from 1, too',
  CreatedAt TIMESTAMP_NTZ(3) NOT NULL,
  CONSTRAINT Store_Key PRIMARY KEY (StoreID)
)
COMMENT = 'One row: which audit this is';

MERGE INTO ${schema}.Store T
USING (SELECT UUID_STRING() AS StoreID, SYSDATE() AS CreatedAt) S
ON T.StoreID IS NOT NULL
WHEN NOT MATCHED THEN INSERT (StoreID, CreatedAt) VALUES (S.StoreID, S.CreatedAt);

CREATE TABLE IF NOT EXISTS ${schema}.PipelineLog (
  LogID NUMBER(38,0) NOT NULL AUTOINCREMENT START 1 INCREMENT 1 ORDER COMMENT 'The BatchID that every loaded row carries; never given twice',
  PipelineName VARCHAR NOT NULL COMMENT 'Memo pipeline, else the input''s pipeline, else the workflow type',
  StartTime TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  EndTime TIMESTAMP_NTZ(3) COMMENT 'UTC',
  Status VARCHAR NOT NULL COMMENT 'Running, Success, Error, Cancelled, Terminated, TimedOut or Continued',
  RowsProcessed NUMBER(38,0) COMMENT 'What the workflow returned, else the sum over the last, successful attempts of its steps',
  ErrorMessage VARCHAR,
  Namespace VARCHAR COMMENT 'With OriginalRunID: which batch a run belongs to',
  WorkflowID VARCHAR,
  RunID VARCHAR COMMENT 'The latest run of the batch; a reset adds runs',
  OriginalRunID VARCHAR COMMENT 'The run that a reset keeps naming',
  WorkflowType VARCHAR,
  TaskQueue VARCHAR,
  ScheduleID VARCHAR,
  ScheduledTime TIMESTAMP_NTZ(3) COMMENT 'UTC',
  RunByUser VARCHAR,
  InputDigest VARCHAR COMMENT 'SHA-256 of the input as Temporal holds it',
  SourceSystem VARCHAR,
  TargetSystem VARCHAR,
  RecordCountBefore NUMBER(38,0),
  RecordCountAfter NUMBER(38,0),
  RowsRejected NUMBER(38,0),
  DurationMs NUMBER(38,0),
  RetryCount NUMBER(38,0) NOT NULL DEFAULT 0,
  RetryStatus VARCHAR COMMENT 'retrying, recovered, exhausted or non-retryable',
  AlertTriggered BOOLEAN NOT NULL DEFAULT FALSE,
  CustomMessage VARCHAR,
  PreviousLogID NUMBER(38,0) COMMENT 'PipelineLog.LogID of the batch that this one continues',
  ParentLogID NUMBER(38,0) COMMENT 'PipelineLog.LogID of the batch that started this one',
  ReplayOfLogID NUMBER(38,0) COMMENT 'PipelineLog.LogID of the batch that this one replays',
  Resolution VARCHAR COMMENT 'What became of a failed batch: open, replayed, dismissed or superseded',
  ResolvedByLogID NUMBER(38,0) COMMENT 'PipelineLog.LogID of the batch that repaired this one',
  CONSTRAINT PipelineLog_Key PRIMARY KEY (LogID),
  CONSTRAINT PipelineLog_Origin UNIQUE (OriginalRunID, Namespace)
)
COMMENT = 'One row per batch, which is one run of a pipeline';

CREATE TABLE IF NOT EXISTS ${schema}.PipelineRun (
  RunID VARCHAR NOT NULL COMMENT 'Temporal''s run id',
  LogID NUMBER(38,0) NOT NULL,
  Reason VARCHAR NOT NULL COMMENT 'start or reset',
  StartTime TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  EndTime TIMESTAMP_NTZ(3) COMMENT 'UTC',
  Status VARCHAR NOT NULL,
  ErrorMessage VARCHAR,
  CertifiedAt TIMESTAMP_NTZ(3) COMMENT 'UTC; when the rows were checked against Temporal''s history',
  CertifiedEventID NUMBER(38,0) COMMENT 'The last event of that history',
  HistoryHash VARCHAR COMMENT 'Hash of the ids, types and times of that history''s events',
  GapCount NUMBER(38,0) COMMENT 'How many events only the history knew',
  CONSTRAINT PipelineRun_Key PRIMARY KEY (RunID),
  CONSTRAINT PipelineRun_Batch FOREIGN KEY (LogID) REFERENCES ${schema}.PipelineLog (LogID)
)
COMMENT = 'Every Temporal run of a batch; more than one only after a reset';

CREATE TABLE IF NOT EXISTS ${schema}.PipelineEvent (
  EventID VARCHAR NOT NULL COMMENT 'Derived from run, activity, attempt and slot',
  LogID NUMBER(38,0) NOT NULL,
  RunID VARCHAR NOT NULL,
  StepName VARCHAR NOT NULL,
  StepSequenceNum NUMBER(38,0),
  ActivityID VARCHAR,
  Attempt NUMBER(38,0),
  EventType VARCHAR NOT NULL COMMENT 'start, success, failure, retry, cancelled or lost; of logStep: info, debug, warning or error',
  EventTime TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  DurationMs NUMBER(38,0),
  RecordCountBefore NUMBER(38,0),
  RecordCountAfter NUMBER(38,0),
  RowsProcessed NUMBER(38,0),
  RowsRejected NUMBER(38,0),
  SourceSystem VARCHAR,
  TargetSystem VARCHAR,
  Message VARCHAR,
  ErrorType VARCHAR,
  ErrorMessage VARCHAR,
  RetryStatus VARCHAR,
  NextRetryTime TIMESTAMP_NTZ(3) COMMENT 'UTC',
  AlertTriggered BOOLEAN NOT NULL DEFAULT FALSE,
  Worker VARCHAR,
  Witness VARCHAR NOT NULL COMMENT 'Who saw it: live, history or both',
  EventHash VARCHAR,
  CONSTRAINT PipelineEvent_Key PRIMARY KEY (EventID),
  CONSTRAINT PipelineEvent_Batch FOREIGN KEY (LogID) REFERENCES ${schema}.PipelineLog (LogID)
)
COMMENT = 'One row per attempt start, attempt end and log line';

CREATE TABLE IF NOT EXISTS ${schema}.Alert (
  AlertID NUMBER(38,0) NOT NULL AUTOINCREMENT START 1 INCREMENT 1 ORDER,
  LogID NUMBER(38,0) NOT NULL,
  EventID VARCHAR COMMENT 'The failed attempt''s end; NULL for an alert about the batch itself',
  Rule VARCHAR NOT NULL,
  Severity VARCHAR NOT NULL,
  RaisedAt TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  ResolvedAt TIMESTAMP_NTZ(3) COMMENT 'UTC; NULL while the alert is open',
  Message VARCHAR NOT NULL,
  CONSTRAINT Alert_Key PRIMARY KEY (AlertID),
  CONSTRAINT Alert_Batch FOREIGN KEY (LogID) REFERENCES ${schema}.PipelineLog (LogID)
)
COMMENT = 'What a person must look at';

-- A seal outlives its batch, so it does not refer to it.
CREATE TABLE IF NOT EXISTS ${schema}.Seal (
  SealNo NUMBER(38,0) NOT NULL COMMENT 'Counts from 1, without a gap',
  LogID NUMBER(38,0) NOT NULL COMMENT 'The batch; the seal stays when the batch is removed',
  Root VARCHAR NOT NULL COMMENT 'Hash of the batch''s certified rows and of PrevRoot',
  PrevRoot VARCHAR COMMENT 'The Root of the seal before this one, whatever its batch; NULL for the first',
  SealedAt TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  CONSTRAINT Seal_Key PRIMARY KEY (SealNo)
)
COMMENT = 'One row per state of a batch that was certified, in one chain over all batches; never changed';

CREATE TABLE IF NOT EXISTS ${schema}.Tombstone (
  RunID VARCHAR NOT NULL COMMENT 'Temporal''s run id',
  LogID NUMBER(38,0) NOT NULL COMMENT 'The batch that was purged',
  Root VARCHAR NOT NULL COMMENT 'Of the seal that the batch had then; its last seal covers the tombstone',
  PurgedByLogID NUMBER(38,0) NOT NULL COMMENT 'The batch of the purge',
  PurgedAt TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  CONSTRAINT Tombstone_Key PRIMARY KEY (RunID)
)
COMMENT = 'One row per run of a batch that was purged: what is left of it, beside its seals';

CREATE TABLE IF NOT EXISTS ${schema}.Turn (
  Scope VARCHAR NOT NULL COMMENT 'Which work',
  Holder VARCHAR NOT NULL COMMENT 'The process whose turn it is',
  HeldUntil TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC; when it is anybody''s turn again',
  Watermark TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC; how far the work has come',
  CONSTRAINT Turn_Key PRIMARY KEY (Scope)
)
COMMENT = 'Work that one process at a time does for all';
