-- The audit tables. Times are UTC, ISO 8601 with milliseconds.

CREATE TABLE Store (
  StoreID TEXT NOT NULL PRIMARY KEY,
  CreatedAt TEXT NOT NULL
);

INSERT INTO Store (StoreID, CreatedAt)
SELECT lower(
    substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-' || substr(h, 21, 12)
  ),
  strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
FROM (SELECT hex(randomblob(16)) AS h);

CREATE TABLE PipelineLog (
  -- AUTOINCREMENT: a LogID is never given twice, because loaded rows carry it.
  LogID INTEGER PRIMARY KEY AUTOINCREMENT,
  PipelineName TEXT NOT NULL,
  StartTime TEXT NOT NULL,
  EndTime TEXT,
  Status TEXT NOT NULL CHECK (Status IN ('Running', 'Success', 'Error', 'Cancelled', 'Terminated', 'TimedOut', 'Continued')),
  RowsProcessed INTEGER,
  ErrorMessage TEXT,
  Namespace TEXT,
  WorkflowID TEXT,
  RunID TEXT,
  OriginalRunID TEXT,
  WorkflowType TEXT,
  TaskQueue TEXT,
  ScheduleID TEXT,
  ScheduledTime TEXT,
  RunByUser TEXT,
  InputDigest TEXT,
  SourceSystem TEXT,
  TargetSystem TEXT,
  RecordCountBefore INTEGER,
  RecordCountAfter INTEGER,
  RowsRejected INTEGER,
  DurationMs INTEGER,
  RetryCount INTEGER NOT NULL DEFAULT 0,
  RetryStatus TEXT CHECK (RetryStatus IN ('retrying', 'recovered', 'exhausted', 'non-retryable')),
  AlertTriggered INTEGER NOT NULL DEFAULT 0,
  CustomMessage TEXT,
  -- Links outlive the batches that they name: those may be purged.
  PreviousLogID INTEGER,
  ParentLogID INTEGER,
  ReplayOfLogID INTEGER,
  Resolution TEXT CHECK (Resolution IN ('open', 'replayed', 'dismissed', 'superseded')),
  ResolvedByLogID INTEGER,
  -- With the namespace it says which batch a run belongs to; a reset keeps it.
  UNIQUE (OriginalRunID, Namespace)
);

CREATE INDEX PipelineLog_StartTime ON PipelineLog (StartTime);
CREATE INDEX PipelineLog_Pipeline ON PipelineLog (PipelineName, StartTime);
CREATE INDEX PipelineLog_Previous ON PipelineLog (PreviousLogID) WHERE PreviousLogID IS NOT NULL;
CREATE INDEX PipelineLog_ReplayOf ON PipelineLog (ReplayOfLogID) WHERE ReplayOfLogID IS NOT NULL;
CREATE INDEX PipelineLog_ResolvedBy ON PipelineLog (ResolvedByLogID) WHERE ResolvedByLogID IS NOT NULL;
CREATE INDEX PipelineLog_Scheduled ON PipelineLog (ScheduledTime, ScheduleID) WHERE ScheduledTime IS NOT NULL;
CREATE INDEX PipelineLog_Status ON PipelineLog (Status, StartTime);
CREATE INDEX PipelineLog_Open ON PipelineLog (StartTime) WHERE Resolution = 'open';
CREATE INDEX PipelineLog_OpenChild ON PipelineLog (ParentLogID) WHERE Resolution = 'open';

CREATE TABLE PipelineRun (
  RunID TEXT NOT NULL PRIMARY KEY,
  LogID INTEGER NOT NULL REFERENCES PipelineLog (LogID),
  Reason TEXT NOT NULL CHECK (Reason IN ('start', 'reset')),
  StartTime TEXT NOT NULL,
  EndTime TEXT,
  Status TEXT NOT NULL,
  ErrorMessage TEXT,
  CertifiedAt TEXT,
  CertifiedEventID INTEGER,
  HistoryHash TEXT,
  GapCount INTEGER
);

CREATE INDEX PipelineRun_LogID ON PipelineRun (LogID);
-- Which runs go on, and which have ended and are not certified yet: workers look for them all the time.
CREATE INDEX PipelineRun_Open ON PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX PipelineRun_Due ON PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;

CREATE TABLE PipelineEvent (
  EventID TEXT NOT NULL PRIMARY KEY,
  LogID INTEGER NOT NULL REFERENCES PipelineLog (LogID),
  RunID TEXT NOT NULL,
  StepName TEXT NOT NULL,
  StepSequenceNum INTEGER,
  ActivityID TEXT,
  Attempt INTEGER,
  EventType TEXT NOT NULL,
  EventTime TEXT NOT NULL,
  DurationMs INTEGER,
  RecordCountBefore INTEGER,
  RecordCountAfter INTEGER,
  RowsProcessed INTEGER,
  RowsRejected INTEGER,
  SourceSystem TEXT,
  TargetSystem TEXT,
  Message TEXT,
  ErrorType TEXT,
  ErrorMessage TEXT,
  RetryStatus TEXT,
  NextRetryTime TEXT,
  AlertTriggered INTEGER NOT NULL DEFAULT 0,
  Worker TEXT,
  Witness TEXT NOT NULL CHECK (Witness IN ('live', 'history', 'both')),
  EventHash TEXT
);

CREATE INDEX PipelineEvent_LogID ON PipelineEvent (LogID, EventTime);

CREATE TABLE Alert (
  AlertID INTEGER PRIMARY KEY AUTOINCREMENT,
  LogID INTEGER NOT NULL REFERENCES PipelineLog (LogID),
  EventID TEXT,
  Rule TEXT NOT NULL,
  Severity TEXT NOT NULL,
  RaisedAt TEXT NOT NULL,
  ResolvedAt TEXT,
  Message TEXT NOT NULL
);

CREATE INDEX Alert_LogID ON Alert (LogID);
CREATE INDEX Alert_Open ON Alert (RaisedAt) WHERE ResolvedAt IS NULL;

-- One row per state of a batch that was certified, in one chain over all batches. Rows are never changed.
CREATE TABLE Seal (
  SealNo INTEGER PRIMARY KEY,
  LogID INTEGER NOT NULL,
  Root TEXT NOT NULL,
  PrevRoot TEXT,
  SealedAt TEXT NOT NULL
);

CREATE INDEX Seal_LogID ON Seal (LogID, SealNo);

-- What is left of batches that were purged, beside their seals: a row per run.
CREATE TABLE Tombstone (
  RunID TEXT NOT NULL PRIMARY KEY,
  LogID INTEGER NOT NULL,
  Root TEXT NOT NULL,
  PurgedByLogID INTEGER NOT NULL,
  PurgedAt TEXT NOT NULL
);

CREATE INDEX Tombstone_LogID ON Tombstone (LogID, RunID);
CREATE INDEX Tombstone_PurgedBy ON Tombstone (PurgedByLogID, LogID);

-- Work that one process at a time does for all: whose turn it is, and how far the work has come.
CREATE TABLE Turn (
  Scope TEXT NOT NULL PRIMARY KEY,
  Holder TEXT NOT NULL,
  HeldUntil TEXT NOT NULL,
  Watermark TEXT NOT NULL
);
