-- For the looks at which runs go on, and which have ended and are not certified yet: each reads what it looks for.
CREATE INDEX IX_PipelineRun_Open ON ${schema}.PipelineRun (LogID, RunID) INCLUDE (CertifiedAt, EndTime)
  WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX IX_PipelineRun_Due ON ${schema}.PipelineRun (LogID, RunID) INCLUDE (CertifiedAt, EndTime)
  WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;
DROP INDEX IX_PipelineRun_Uncertified ON ${schema}.PipelineRun;
