-- The audit tables. Names are unquoted, so Audit.PipelineLog and audit.pipelinelog are the same.
-- Ids and indexed texts have COLLATE "C": they compare binary, and no upgrade of the system's locales can spoil an index.

CREATE TABLE ${schema}.Store (
  StoreID uuid NOT NULL PRIMARY KEY,
  CreatedAt timestamptz(3) NOT NULL
);

INSERT INTO ${schema}.Store (StoreID, CreatedAt) VALUES (gen_random_uuid(), clock_timestamp());

CREATE TABLE ${schema}.PipelineLog (
  LogID integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  PipelineName text COLLATE "C" NOT NULL,
  StartTime timestamptz(3) NOT NULL,
  EndTime timestamptz(3),
  Status text COLLATE "C" NOT NULL CHECK (Status IN ('Running', 'Success', 'Error', 'Cancelled', 'Terminated', 'TimedOut', 'Continued')),
  RowsProcessed bigint,
  ErrorMessage text,
  Namespace text COLLATE "C",
  WorkflowID text COLLATE "C",
  RunID text COLLATE "C",
  OriginalRunID text COLLATE "C",
  WorkflowType text,
  TaskQueue text,
  ScheduleID text COLLATE "C",
  ScheduledTime timestamptz(3),
  RunByUser text,
  InputDigest text COLLATE "C",
  SourceSystem text,
  TargetSystem text,
  RecordCountBefore bigint,
  RecordCountAfter bigint,
  RowsRejected bigint,
  DurationMs bigint,
  RetryCount bigint NOT NULL DEFAULT 0,
  RetryStatus text CHECK (RetryStatus IN ('retrying', 'recovered', 'exhausted', 'non-retryable')),
  AlertTriggered boolean NOT NULL DEFAULT false,
  CustomMessage text,
  -- Links outlive the batches that they name: those may be purged.
  PreviousLogID integer,
  ParentLogID integer,
  ReplayOfLogID integer,
  Resolution text COLLATE "C" CHECK (Resolution IN ('open', 'replayed', 'dismissed', 'superseded')),
  ResolvedByLogID integer,
  CONSTRAINT PipelineLog_Origin UNIQUE (OriginalRunID, Namespace)
);

CREATE INDEX PipelineLog_StartTime ON ${schema}.PipelineLog (StartTime, LogID);
CREATE INDEX PipelineLog_Pipeline ON ${schema}.PipelineLog (PipelineName, StartTime, LogID);
CREATE INDEX PipelineLog_Scheduled ON ${schema}.PipelineLog (ScheduledTime, ScheduleID) WHERE ScheduledTime IS NOT NULL;
CREATE INDEX PipelineLog_Status ON ${schema}.PipelineLog (Status, StartTime, LogID);
CREATE INDEX PipelineLog_Open ON ${schema}.PipelineLog (StartTime, LogID) WHERE Resolution = 'open';
CREATE INDEX PipelineLog_OpenChild ON ${schema}.PipelineLog (ParentLogID) WHERE Resolution = 'open';
CREATE INDEX PipelineLog_Previous ON ${schema}.PipelineLog (PreviousLogID) WHERE PreviousLogID IS NOT NULL;
CREATE INDEX PipelineLog_ReplayOf ON ${schema}.PipelineLog (ReplayOfLogID) WHERE ReplayOfLogID IS NOT NULL;
CREATE INDEX PipelineLog_ResolvedBy ON ${schema}.PipelineLog (ResolvedByLogID) WHERE ResolvedByLogID IS NOT NULL;

CREATE TABLE ${schema}.PipelineRun (
  RunID text COLLATE "C" NOT NULL PRIMARY KEY,
  LogID integer NOT NULL REFERENCES ${schema}.PipelineLog (LogID),
  Reason text NOT NULL CHECK (Reason IN ('start', 'reset')),
  StartTime timestamptz(3) NOT NULL,
  EndTime timestamptz(3),
  Status text COLLATE "C" NOT NULL,
  ErrorMessage text,
  CertifiedAt timestamptz(3),
  CertifiedEventID bigint,
  HistoryHash text COLLATE "C",
  GapCount bigint
);

CREATE INDEX PipelineRun_LogID ON ${schema}.PipelineRun (LogID);
-- Which runs go on, and which have ended and are not certified yet: workers look for them all the time.
CREATE INDEX PipelineRun_Open ON ${schema}.PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX PipelineRun_Due ON ${schema}.PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;

CREATE TABLE ${schema}.PipelineEvent (
  EventID text COLLATE "C" NOT NULL PRIMARY KEY,
  LogID integer NOT NULL REFERENCES ${schema}.PipelineLog (LogID),
  RunID text COLLATE "C" NOT NULL,
  StepName text NOT NULL,
  StepSequenceNum bigint,
  ActivityID text COLLATE "C",
  Attempt integer,
  EventType text NOT NULL,
  EventTime timestamptz(3) NOT NULL,
  DurationMs bigint,
  RecordCountBefore bigint,
  RecordCountAfter bigint,
  RowsProcessed bigint,
  RowsRejected bigint,
  SourceSystem text,
  TargetSystem text,
  Message text,
  ErrorType text,
  ErrorMessage text,
  RetryStatus text,
  NextRetryTime timestamptz(3),
  AlertTriggered boolean NOT NULL DEFAULT false,
  Worker text,
  Witness text NOT NULL CHECK (Witness IN ('live', 'history', 'both')),
  EventHash text COLLATE "C"
);

CREATE INDEX PipelineEvent_LogID ON ${schema}.PipelineEvent (LogID, EventTime);

CREATE TABLE ${schema}.Alert (
  AlertID integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  LogID integer NOT NULL REFERENCES ${schema}.PipelineLog (LogID),
  EventID text COLLATE "C",
  Rule text NOT NULL,
  Severity text NOT NULL,
  RaisedAt timestamptz(3) NOT NULL,
  ResolvedAt timestamptz(3),
  Message text NOT NULL
);

CREATE INDEX Alert_LogID ON ${schema}.Alert (LogID);
CREATE INDEX Alert_Open ON ${schema}.Alert (RaisedAt) WHERE ResolvedAt IS NULL;

-- A seal outlives its batch, so it does not refer to it.
CREATE TABLE ${schema}.Seal (
  SealNo bigint NOT NULL PRIMARY KEY,
  LogID integer NOT NULL,
  Root text COLLATE "C" NOT NULL,
  PrevRoot text COLLATE "C",
  SealedAt timestamptz(3) NOT NULL
);

CREATE INDEX Seal_LogID ON ${schema}.Seal (LogID, SealNo);

CREATE TABLE ${schema}.Tombstone (
  RunID text COLLATE "C" NOT NULL PRIMARY KEY,
  LogID integer NOT NULL,
  Root text COLLATE "C" NOT NULL,
  PurgedByLogID integer NOT NULL,
  PurgedAt timestamptz(3) NOT NULL
);

CREATE INDEX Tombstone_LogID ON ${schema}.Tombstone (LogID, RunID);
CREATE INDEX Tombstone_PurgedBy ON ${schema}.Tombstone (PurgedByLogID, LogID);

CREATE TABLE ${schema}.Turn (
  Scope text COLLATE "C" NOT NULL PRIMARY KEY,
  Holder text COLLATE "C" NOT NULL,
  HeldUntil timestamptz(3) NOT NULL,
  Watermark timestamptz(3) NOT NULL
);

COMMENT ON TABLE ${schema}.Store IS 'One row: which audit store this is';
COMMENT ON COLUMN ${schema}.Store.StoreID IS 'Tells apart two stores that both count their batches from 1';

COMMENT ON TABLE ${schema}.PipelineLog IS 'One row per batch, which is one run of a pipeline. Times are UTC';
COMMENT ON COLUMN ${schema}.PipelineLog.LogID IS 'The BatchID on every row that the batch loaded; never given twice';
COMMENT ON COLUMN ${schema}.PipelineLog.PipelineName IS 'From the memo or the input, else the workflow type';
COMMENT ON COLUMN ${schema}.PipelineLog.Status IS 'As Temporal closed the latest run: Running, Success, Error, Cancelled, Terminated, TimedOut or Continued';
COMMENT ON COLUMN ${schema}.PipelineLog.RowsProcessed IS 'What the workflow returned, else the sum over the last, successful attempts of its steps';
COMMENT ON COLUMN ${schema}.PipelineLog.RunID IS 'The latest run; a reset adds runs';
COMMENT ON COLUMN ${schema}.PipelineLog.OriginalRunID IS 'The run that a reset keeps naming; with Namespace it identifies the batch';
COMMENT ON COLUMN ${schema}.PipelineLog.ScheduledTime IS 'When the schedule meant the batch to start';
COMMENT ON COLUMN ${schema}.PipelineLog.RunByUser IS 'Who started the workflow, as Temporal recorded it';
COMMENT ON COLUMN ${schema}.PipelineLog.RetryCount IS 'Attempts of steps that were tried again';
COMMENT ON COLUMN ${schema}.PipelineLog.RetryStatus IS 'NULL, retrying, recovered, exhausted or non-retryable';
COMMENT ON COLUMN ${schema}.PipelineLog.PreviousLogID IS 'The batch that this one continues: continue-as-new, a retry of the workflow';
COMMENT ON COLUMN ${schema}.PipelineLog.ParentLogID IS 'The batch whose workflow started this one as its child';
COMMENT ON COLUMN ${schema}.PipelineLog.ReplayOfLogID IS 'The failed batch that this one does again';
COMMENT ON COLUMN ${schema}.PipelineLog.Resolution IS 'Of a failed batch: open until it is replayed, dismissed or superseded';
COMMENT ON COLUMN ${schema}.PipelineLog.ResolvedByLogID IS 'The batch that made good for this one';

COMMENT ON TABLE ${schema}.PipelineRun IS 'Every Temporal run of a batch; more than one after a reset';
COMMENT ON COLUMN ${schema}.PipelineRun.Reason IS 'start or reset';
COMMENT ON COLUMN ${schema}.PipelineRun.CertifiedAt IS 'When the rows of this run were checked against Temporal''s history';
COMMENT ON COLUMN ${schema}.PipelineRun.CertifiedEventID IS 'The last event of that history';
COMMENT ON COLUMN ${schema}.PipelineRun.HistoryHash IS 'Hash of the ids, types and times of that history''s events';
COMMENT ON COLUMN ${schema}.PipelineRun.GapCount IS 'Events that were missing and were added from history';

COMMENT ON TABLE ${schema}.PipelineEvent IS 'One row per start and end of an attempt of a step, and per log line. Times are UTC';
COMMENT ON COLUMN ${schema}.PipelineEvent.EventID IS 'Derived from run, activity, attempt and slot, so that an event is here once however often it is written';
COMMENT ON COLUMN ${schema}.PipelineEvent.EventType IS 'start, success, failure, retry, cancelled, lost; info, debug, warning or error for a log line';
COMMENT ON COLUMN ${schema}.PipelineEvent.NextRetryTime IS 'When Temporal tries the step again';
COMMENT ON COLUMN ${schema}.PipelineEvent.Worker IS 'The process that ran the attempt';
COMMENT ON COLUMN ${schema}.PipelineEvent.Witness IS 'Who saw it: live (a worker), history (Temporal) or both';

COMMENT ON TABLE ${schema}.Alert IS 'What a person must look at; open while ResolvedAt is NULL';
COMMENT ON COLUMN ${schema}.Alert.EventID IS 'The failed attempt''s end; NULL for an alert about the batch';

COMMENT ON TABLE ${schema}.Seal IS 'One row per state of a batch that was certified, in one chain over all batches; never changed. Times are UTC';
COMMENT ON COLUMN ${schema}.Seal.SealNo IS 'Counts from 1, without a gap';
COMMENT ON COLUMN ${schema}.Seal.LogID IS 'The batch; the seal stays when the batch is removed';
COMMENT ON COLUMN ${schema}.Seal.Root IS 'Hash of the batch''s certified rows and of PrevRoot';
COMMENT ON COLUMN ${schema}.Seal.PrevRoot IS 'The Root of the seal before this one, whatever its batch; NULL for the first';

COMMENT ON TABLE ${schema}.Tombstone IS 'One row per run of a batch that was purged: what is left of it, beside its seals. Times are UTC';
COMMENT ON COLUMN ${schema}.Tombstone.Root IS 'Of the seal that the batch had when it was purged; its last seal covers the tombstone';
COMMENT ON COLUMN ${schema}.Tombstone.PurgedByLogID IS 'The batch of the purge';

COMMENT ON TABLE ${schema}.Turn IS 'Work that one process at a time does for all. Times are UTC';
COMMENT ON COLUMN ${schema}.Turn.Scope IS 'Which work';
COMMENT ON COLUMN ${schema}.Turn.Holder IS 'The process whose turn it is';
COMMENT ON COLUMN ${schema}.Turn.HeldUntil IS 'When it is anybody''s turn again';
COMMENT ON COLUMN ${schema}.Turn.Watermark IS 'How far the work has come';
