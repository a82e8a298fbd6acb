-- For the looks at which runs go on, and which have ended and are not certified yet: each reads what it looks for.
CREATE INDEX PipelineRun_Open ON PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NULL;
CREATE INDEX PipelineRun_Due ON PipelineRun (LogID, RunID) WHERE CertifiedAt IS NULL AND EndTime IS NOT NULL;
DROP INDEX PipelineRun_Uncertified;
