-- For people who come from dbt.

CREATE VIEW IF NOT EXISTS ${schema}.dbt_audit_summary AS
SELECT
  LogID AS invocation_id,
  PipelineName AS model_name,
  StartTime AS run_started_at,
  EndTime AS run_ended_at,
  DurationMs / 1000.0 AS execution_time_seconds,
  RowsProcessed AS rows_processed,
  CASE Status WHEN 'Running' THEN 'started' WHEN 'Success' THEN 'completed' WHEN 'Continued' THEN 'completed' ELSE 'failed' END AS status,
  RunByUser AS run_by_user,
  CustomMessage AS custom_message
FROM ${schema}.PipelineLog;

CREATE VIEW IF NOT EXISTS ${schema}.dbt_audit_detail AS
SELECT
  E.EventID AS detail_log_id,
  E.LogID AS invocation_id,
  L.PipelineName AS model_name,
  E.StepName AS step_name,
  E.StepSequenceNum AS step_sequence_num,
  E.EventTime AS event_timestamp,
  E.EventType AS status,
  COALESCE(E.ErrorMessage, E.Message) AS message
FROM ${schema}.PipelineEvent E
JOIN ${schema}.PipelineLog L ON L.LogID = E.LogID;
