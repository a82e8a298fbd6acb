-- The audit tables. Times are UTC; ids compare binary.

CREATE TABLE ${schema}.Store (
  StoreID UNIQUEIDENTIFIER NOT NULL CONSTRAINT PK_Store PRIMARY KEY,
  CreatedAt DATETIME2(3) NOT NULL
);

INSERT INTO ${schema}.Store (StoreID, CreatedAt) VALUES (NEWID(), SYSUTCDATETIME());
GO

CREATE TABLE ${schema}.PipelineLog (
  LogID INT IDENTITY(1,1) NOT NULL CONSTRAINT PK_PipelineLog PRIMARY KEY,
  PipelineName NVARCHAR(255) NOT NULL,
  StartTime DATETIME2(3) NOT NULL,
  EndTime DATETIME2(3) NULL,
  Status NVARCHAR(20) NOT NULL CONSTRAINT CK_PipelineLog_Status CHECK (Status IN (N'Running', N'Success', N'Error', N'Cancelled', N'Terminated', N'TimedOut', N'Continued')),
  RowsProcessed BIGINT NULL,
  ErrorMessage NVARCHAR(MAX) NULL,
  Namespace NVARCHAR(255) COLLATE Latin1_General_BIN2 NULL,
  WorkflowID NVARCHAR(1000) COLLATE Latin1_General_BIN2 NULL,
  RunID NVARCHAR(100) COLLATE Latin1_General_BIN2 NULL,
  OriginalRunID NVARCHAR(100) COLLATE Latin1_General_BIN2 NULL,
  WorkflowType NVARCHAR(1000) NULL,
  TaskQueue NVARCHAR(1000) NULL,
  ScheduleID NVARCHAR(1000) COLLATE Latin1_General_BIN2 NULL,
  ScheduledTime DATETIME2(3) NULL,
  RunByUser NVARCHAR(1000) NULL,
  InputDigest NVARCHAR(100) NULL,
  SourceSystem NVARCHAR(1000) NULL,
  TargetSystem NVARCHAR(1000) NULL,
  RecordCountBefore BIGINT NULL,
  RecordCountAfter BIGINT NULL,
  RowsRejected BIGINT NULL,
  DurationMs BIGINT NULL,
  RetryCount BIGINT NOT NULL CONSTRAINT DF_PipelineLog_RetryCount DEFAULT 0,
  RetryStatus NVARCHAR(20) NULL CONSTRAINT CK_PipelineLog_RetryStatus CHECK (RetryStatus IN (N'retrying', N'recovered', N'exhausted', N'non-retryable')),
  AlertTriggered BIT NOT NULL CONSTRAINT DF_PipelineLog_AlertTriggered DEFAULT 0,
  CustomMessage NVARCHAR(MAX) NULL,
  -- Links outlive the batches that they name: those may be purged.
  PreviousLogID INT NULL,
  ParentLogID INT NULL,
  ReplayOfLogID INT NULL,
  Resolution NVARCHAR(20) NULL CONSTRAINT CK_PipelineLog_Resolution CHECK (Resolution IN (N'open', N'replayed', N'dismissed', N'superseded')),
  ResolvedByLogID INT NULL
);

-- Which batch a run belongs to; a reset keeps it. Rows that people insert need not have it.
CREATE UNIQUE INDEX UX_PipelineLog_Origin ON ${schema}.PipelineLog (OriginalRunID, Namespace) WHERE OriginalRunID IS NOT NULL;
CREATE INDEX IX_PipelineLog_StartTime ON ${schema}.PipelineLog (StartTime DESC, LogID DESC);
CREATE INDEX IX_PipelineLog_Pipeline ON ${schema}.PipelineLog (PipelineName, StartTime DESC, LogID DESC);
CREATE INDEX IX_PipelineLog_Status ON ${schema}.PipelineLog (Status, StartTime DESC, LogID DESC);
CREATE INDEX IX_PipelineLog_Open ON ${schema}.PipelineLog (StartTime DESC, LogID DESC) INCLUDE (Resolution) WHERE Resolution = N'open';
CREATE INDEX IX_PipelineLog_OpenChild ON ${schema}.PipelineLog (ParentLogID) INCLUDE (Resolution) WHERE Resolution = N'open';
-- An id of a Schedule may be longer than a key.
CREATE INDEX IX_PipelineLog_Scheduled ON ${schema}.PipelineLog (ScheduledTime) INCLUDE (ScheduleID) WHERE ScheduledTime IS NOT NULL;
CREATE INDEX IX_PipelineLog_Previous ON ${schema}.PipelineLog (PreviousLogID) WHERE PreviousLogID IS NOT NULL;
CREATE INDEX IX_PipelineLog_ReplayOf ON ${schema}.PipelineLog (ReplayOfLogID) WHERE ReplayOfLogID IS NOT NULL;
CREATE INDEX IX_PipelineLog_ResolvedBy ON ${schema}.PipelineLog (ResolvedByLogID) WHERE ResolvedByLogID IS NOT NULL;
GO

CREATE TABLE ${schema}.PipelineRun (
  RunID NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT PK_PipelineRun PRIMARY KEY,
  LogID INT NOT NULL CONSTRAINT FK_PipelineRun_PipelineLog REFERENCES ${schema}.PipelineLog (LogID),
  Reason NVARCHAR(20) NOT NULL CONSTRAINT CK_PipelineRun_Reason CHECK (Reason IN (N'start', N'reset')),
  StartTime DATETIME2(3) NOT NULL,
  EndTime DATETIME2(3) NULL,
  Status NVARCHAR(20) NOT NULL,
  ErrorMessage NVARCHAR(MAX) NULL,
  CertifiedAt DATETIME2(3) NULL,
  CertifiedEventID BIGINT NULL,
  HistoryHash NVARCHAR(100) NULL,
  GapCount BIGINT NULL
);

CREATE INDEX IX_PipelineRun_LogID ON ${schema}.PipelineRun (LogID);
-- Which runs go on, and which have ended and are not certified yet: workers look for them all the time.
CREATE INDEX IX_PipelineRun_Open ON ${schema}.PipelineRun (LogID, RunID) INCLUDE (CertifiedAt, EndTime)
  WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX IX_PipelineRun_Due ON ${schema}.PipelineRun (LogID, RunID) INCLUDE (CertifiedAt, EndTime)
  WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;
GO

CREATE TABLE ${schema}.PipelineEvent (
  EventID NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT PK_PipelineEvent PRIMARY KEY NONCLUSTERED,
  LogID INT NOT NULL CONSTRAINT FK_PipelineEvent_PipelineLog REFERENCES ${schema}.PipelineLog (LogID),
  RunID NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
  StepName NVARCHAR(1000) NOT NULL,
  StepSequenceNum BIGINT NULL,
  ActivityID NVARCHAR(1100) COLLATE Latin1_General_BIN2 NULL,
  Attempt BIGINT NULL,
  EventType NVARCHAR(20) NOT NULL,
  EventTime DATETIME2(3) NOT NULL,
  DurationMs BIGINT NULL,
  RecordCountBefore BIGINT NULL,
  RecordCountAfter BIGINT NULL,
  RowsProcessed BIGINT NULL,
  RowsRejected BIGINT NULL,
  SourceSystem NVARCHAR(1000) NULL,
  TargetSystem NVARCHAR(1000) NULL,
  Message NVARCHAR(MAX) NULL,
  ErrorType NVARCHAR(1000) NULL,
  ErrorMessage NVARCHAR(MAX) NULL,
  RetryStatus NVARCHAR(20) NULL,
  NextRetryTime DATETIME2(3) NULL,
  AlertTriggered BIT NOT NULL CONSTRAINT DF_PipelineEvent_AlertTriggered DEFAULT 0,
  Worker NVARCHAR(1000) NULL,
  Witness NVARCHAR(20) NOT NULL CONSTRAINT CK_PipelineEvent_Witness CHECK (Witness IN (N'live', N'history', N'both')),
  EventHash NVARCHAR(100) NULL,
  EventNo BIGINT IDENTITY(1,1) NOT NULL
);

-- A batch's events lie together, in the order in which they are read.
CREATE UNIQUE CLUSTERED INDEX CX_PipelineEvent ON ${schema}.PipelineEvent (LogID, EventTime, EventNo);
GO

CREATE TABLE ${schema}.Alert (
  AlertID INT IDENTITY(1,1) NOT NULL CONSTRAINT PK_Alert PRIMARY KEY,
  LogID INT NOT NULL CONSTRAINT FK_Alert_PipelineLog REFERENCES ${schema}.PipelineLog (LogID),
  EventID NVARCHAR(100) COLLATE Latin1_General_BIN2 NULL,
  [Rule] NVARCHAR(50) NOT NULL,
  Severity NVARCHAR(20) NOT NULL,
  RaisedAt DATETIME2(3) NOT NULL,
  ResolvedAt DATETIME2(3) NULL,
  Message NVARCHAR(MAX) NOT NULL
);

CREATE INDEX IX_Alert_LogID ON ${schema}.Alert (LogID);
CREATE INDEX IX_Alert_Open ON ${schema}.Alert (RaisedAt) INCLUDE (ResolvedAt) WHERE ResolvedAt IS NULL;
GO

-- A seal outlives its batch, so it does not refer to it.
CREATE TABLE ${schema}.Seal (
  SealNo BIGINT NOT NULL CONSTRAINT PK_Seal PRIMARY KEY,
  LogID INT NOT NULL,
  Root NVARCHAR(100) NOT NULL,
  PrevRoot NVARCHAR(100) NULL,
  SealedAt DATETIME2(3) NOT NULL
);

CREATE INDEX IX_Seal_LogID ON ${schema}.Seal (LogID, SealNo);
GO

CREATE TABLE ${schema}.Tombstone (
  RunID NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT PK_Tombstone PRIMARY KEY,
  LogID INT NOT NULL,
  Root NVARCHAR(100) NOT NULL,
  PurgedByLogID INT NOT NULL,
  PurgedAt DATETIME2(3) NOT NULL
);

CREATE INDEX IX_Tombstone_LogID ON ${schema}.Tombstone (LogID, RunID);
CREATE INDEX IX_Tombstone_PurgedBy ON ${schema}.Tombstone (PurgedByLogID, LogID);
GO

CREATE TABLE ${schema}.Turn (
  Scope NVARCHAR(450) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT PK_Turn PRIMARY KEY,
  Holder NVARCHAR(1000) COLLATE Latin1_General_BIN2 NOT NULL,
  HeldUntil DATETIME2(3) NOT NULL,
  Watermark DATETIME2(3) NOT NULL
);
GO

-- What SSMS shows as descriptions.
DECLARE @schema SYSNAME = PARSENAME(N'${schema}', 1);
EXEC sys.sp_addextendedproperty N'MS_Description', N'Which audit store this is: two that both count from 1 are told apart by it.', N'SCHEMA', @schema, N'TABLE', N'Store';
EXEC sys.sp_addextendedproperty N'MS_Description', N'One row per batch, which is one run of a pipeline. Times are UTC.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The BatchID on every loaded row; never given twice.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'LogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The name that the memo or the input gives, else the workflow type.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'PipelineName';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Running, Success, Error, Cancelled, Terminated, TimedOut or Continued: how Temporal closed the latest run.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'Status';
EXEC sys.sp_addextendedproperty N'MS_Description', N'What the workflow returned, else the sum over the last, successful attempts of its steps.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'RowsProcessed';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The latest run; a reset adds runs, and PipelineRun has all of them.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'RunID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The run that a reset keeps naming; with Namespace it identifies the batch.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'OriginalRunID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'When the schedule meant the run to start.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'ScheduledTime';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The identity of who started it.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'RunByUser';
EXEC sys.sp_addextendedproperty N'MS_Description', N'SHA-256 of the input as Temporal holds it.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'InputDigest';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Attempts of steps that failed and were tried again.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'RetryCount';
EXEC sys.sp_addextendedproperty N'MS_Description', N'NULL, retrying, recovered, exhausted or non-retryable.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'RetryStatus';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The batch that this one continues: continue-as-new, retry of the workflow.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'PreviousLogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The batch whose workflow started this one as a child.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'ParentLogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The failed batch that this one repeats.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'ReplayOfLogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'NULL, open (failed and not repaired), replayed, dismissed or superseded.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'Resolution';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The batch that repaired this one.', N'SCHEMA', @schema, N'TABLE', N'PipelineLog', N'COLUMN', N'ResolvedByLogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Every Temporal run of a batch; more than one only after a reset.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun';
EXEC sys.sp_addextendedproperty N'MS_Description', N'start or reset.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'Reason';
EXEC sys.sp_addextendedproperty N'MS_Description', N'When the run''s events were checked against Temporal''s history.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'CertifiedAt';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The last event of the history that was checked.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'CertifiedEventID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Hash of the ids, types and times of that history''s events.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'HistoryHash';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Events that were missing and were added from the history.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'GapCount';
EXEC sys.sp_addextendedproperty N'MS_Description', N'One row per start and end of an attempt of a step, and per log line.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Derived from run, activity, attempt and kind, so that the same event is never there twice.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'EventID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The order of the steps in the run.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'StepSequenceNum';
EXEC sys.sp_addextendedproperty N'MS_Description', N'start, success, failure, retry, cancelled or lost; for log lines info, debug, warning or error.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'EventType';
EXEC sys.sp_addextendedproperty N'MS_Description', N'When Temporal tries again.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'NextRetryTime';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The identity of the worker that ran the attempt.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'Worker';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Who saw it: live (the worker), history (Temporal) or both.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'Witness';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The order in which the rows came; it decides between events of one moment.', N'SCHEMA', @schema, N'TABLE', N'PipelineEvent', N'COLUMN', N'EventNo';
EXEC sys.sp_addextendedproperty N'MS_Description', N'What a person must look at; open while ResolvedAt is NULL.', N'SCHEMA', @schema, N'TABLE', N'Alert';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The failed attempt''s end; NULL for an alert about the batch itself.', N'SCHEMA', @schema, N'TABLE', N'Alert', N'COLUMN', N'EventID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'step-failed or batch-failed.', N'SCHEMA', @schema, N'TABLE', N'Alert', N'COLUMN', N'Rule';
EXEC sys.sp_addextendedproperty N'MS_Description', N'error or critical.', N'SCHEMA', @schema, N'TABLE', N'Alert', N'COLUMN', N'Severity';
EXEC sys.sp_addextendedproperty N'MS_Description', N'One row per state of a batch that was certified, in one chain over all batches; never changed. Times are UTC.', N'SCHEMA', @schema, N'TABLE', N'Seal';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Counts from 1, without a gap.', N'SCHEMA', @schema, N'TABLE', N'Seal', N'COLUMN', N'SealNo';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The batch; the seal stays when the batch is removed.', N'SCHEMA', @schema, N'TABLE', N'Seal', N'COLUMN', N'LogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Hash of the batch''s certified rows and of PrevRoot.', N'SCHEMA', @schema, N'TABLE', N'Seal', N'COLUMN', N'Root';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The Root of the seal before this one, whatever its batch; NULL for the first.', N'SCHEMA', @schema, N'TABLE', N'Seal', N'COLUMN', N'PrevRoot';
EXEC sys.sp_addextendedproperty N'MS_Description', N'One row per run of a batch that was purged: what is left of it, beside its seals. Times are UTC.', N'SCHEMA', @schema, N'TABLE', N'Tombstone';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Of the seal that the batch had when it was purged; its last seal covers the tombstone.', N'SCHEMA', @schema, N'TABLE', N'Tombstone', N'COLUMN', N'Root';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The batch of the purge.', N'SCHEMA', @schema, N'TABLE', N'Tombstone', N'COLUMN', N'PurgedByLogID';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Work that one process at a time does for all. Times are UTC.', N'SCHEMA', @schema, N'TABLE', N'Turn';
EXEC sys.sp_addextendedproperty N'MS_Description', N'Which work.', N'SCHEMA', @schema, N'TABLE', N'Turn', N'COLUMN', N'Scope';
EXEC sys.sp_addextendedproperty N'MS_Description', N'The process whose turn it is.', N'SCHEMA', @schema, N'TABLE', N'Turn', N'COLUMN', N'Holder';
EXEC sys.sp_addextendedproperty N'MS_Description', N'When it is anybody''s turn again.', N'SCHEMA', @schema, N'TABLE', N'Turn', N'COLUMN', N'HeldUntil';
EXEC sys.sp_addextendedproperty N'MS_Description', N'How far the work has come.', N'SCHEMA', @schema, N'TABLE', N'Turn', N'COLUMN', N'Watermark';
