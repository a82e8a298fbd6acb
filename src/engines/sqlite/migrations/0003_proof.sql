-- What proves the trail, and who looks after it.

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
