-- What proves the trail, and who looks after it.

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

DECLARE @schema SYSNAME = PARSENAME(N'${schema}', 1);
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
-- Somebody may have removed it.
IF EXISTS (SELECT 1 FROM sys.fn_listextendedproperty(N'MS_Description', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'HistoryHash'))
EXEC sys.sp_updateextendedproperty N'MS_Description', N'Hash of the ids, types and times of that history''s events.', N'SCHEMA', @schema, N'TABLE', N'PipelineRun', N'COLUMN', N'HistoryHash';
