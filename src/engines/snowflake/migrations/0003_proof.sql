-- What proves the trail, and who looks after it.

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
