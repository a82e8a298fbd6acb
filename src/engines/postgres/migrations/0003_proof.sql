-- What proves the trail, and who looks after it.

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

COMMENT ON COLUMN ${schema}.PipelineRun.HistoryHash IS 'Hash of the ids, types and times of that history''s events';
