-- For the looks at which runs go on, and which have ended and are not certified yet: each reads what it looks for.
CREATE INDEX PipelineRun_Open ON ${schema}.PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX PipelineRun_Due ON ${schema}.PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;
DROP INDEX ${schema}.PipelineRun_Uncertified;
