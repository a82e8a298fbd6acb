/** The columns of each audit table in their order, so that engines generate statements instead of repeating lists. */
import type { Alert, PipelineEvent, PipelineLog, PipelineRun, Seal, Tombstone } from './model.js';

/** Checks at compile time that a list holds every key of the row type. */
function columns<Row>() {
  return <const Names extends ReadonlyArray<keyof Row & string>>(
    ...names: Exclude<keyof Row, Names[number]> extends never ? Names : never
  ): Names => names;
}

export const PIPELINE_LOG_COLUMNS = columns<PipelineLog>()(
  'LogID',
  'PipelineName',
  'StartTime',
  'EndTime',
  'Status',
  'RowsProcessed',
  'ErrorMessage',
  'Namespace',
  'WorkflowID',
  'RunID',
  'OriginalRunID',
  'WorkflowType',
  'TaskQueue',
  'ScheduleID',
  'ScheduledTime',
  'RunByUser',
  'InputDigest',
  'SourceSystem',
  'TargetSystem',
  'RecordCountBefore',
  'RecordCountAfter',
  'RowsRejected',
  'DurationMs',
  'RetryCount',
  'RetryStatus',
  'AlertTriggered',
  'CustomMessage',
  'PreviousLogID',
  'ParentLogID',
  'ReplayOfLogID',
  'Resolution',
  'ResolvedByLogID',
);

export const PIPELINE_RUN_COLUMNS = columns<PipelineRun>()(
  'RunID',
  'LogID',
  'Reason',
  'StartTime',
  'EndTime',
  'Status',
  'ErrorMessage',
  'CertifiedAt',
  'CertifiedEventID',
  'HistoryHash',
  'GapCount',
);

export const PIPELINE_EVENT_COLUMNS = columns<PipelineEvent>()(
  'EventID',
  'LogID',
  'RunID',
  'StepName',
  'StepSequenceNum',
  'ActivityID',
  'Attempt',
  'EventType',
  'EventTime',
  'DurationMs',
  'RecordCountBefore',
  'RecordCountAfter',
  'RowsProcessed',
  'RowsRejected',
  'SourceSystem',
  'TargetSystem',
  'Message',
  'ErrorType',
  'ErrorMessage',
  'RetryStatus',
  'NextRetryTime',
  'AlertTriggered',
  'Worker',
  'Witness',
  'EventHash',
);

export const ALERT_COLUMNS = columns<Alert>()(
  'AlertID',
  'LogID',
  'EventID',
  'Rule',
  'Severity',
  'RaisedAt',
  'ResolvedAt',
  'Message',
);

export const SEAL_COLUMNS = columns<Seal>()('SealNo', 'LogID', 'Root', 'PrevRoot', 'SealedAt');

export const TOMBSTONE_COLUMNS = columns<Tombstone>()('RunID', 'LogID', 'Root', 'PurgedByLogID', 'PurgedAt');

/** Of rows to which the database gives the key, which is the first column. */
export const NEW_BATCH_COLUMNS = PIPELINE_LOG_COLUMNS.slice(1) as Exclude<
  (typeof PIPELINE_LOG_COLUMNS)[number],
  'LogID'
>[];
export const NEW_ALERT_COLUMNS = ALERT_COLUMNS.slice(1) as Exclude<
  (typeof ALERT_COLUMNS)[number],
  'AlertID'
>[];

const SPELLING = new Map<string, string>(
  [
    ...PIPELINE_LOG_COLUMNS,
    ...PIPELINE_RUN_COLUMNS,
    ...PIPELINE_EVENT_COLUMNS,
    ...ALERT_COLUMNS,
    ...SEAL_COLUMNS,
    ...TOMBSTONE_COLUMNS,
  ].map((column) => [column.toLowerCase(), column]),
);

/** A column as it is spelled on every engine, whatever the case in which one knows it; other names as they are. */
export function spelled(name: string): string {
  return SPELLING.get(name.toLowerCase()) ?? name;
}

export type ColumnKind = 'text' | 'integer' | 'boolean' | 'time';

const INTEGERS: ReadonlySet<string> = new Set([
  'RowsFound',
  'Events',
  'LogID',
  'AlertID',
  'RowsProcessed',
  'RowsRejected',
  'RecordCountBefore',
  'RecordCountAfter',
  'DurationMs',
  'RetryCount',
  'PreviousLogID',
  'ParentLogID',
  'ReplayOfLogID',
  'ResolvedByLogID',
  'StepSequenceNum',
  'Attempt',
  'CertifiedEventID',
  'GapCount',
  'SealNo',
  'PurgedByLogID',
]);
const TIMES: ReadonlySet<string> = new Set([
  'CreatedAt',
  'StartTime',
  'EndTime',
  'ScheduledTime',
  'EventTime',
  'NextRetryTime',
  'CertifiedAt',
  'RaisedAt',
  'ResolvedAt',
  'SealedAt',
  'PurgedAt',
]);

/** A column's kind of value: a name means the same in every table that has it. */
export function columnKind(column: string): ColumnKind {
  if (INTEGERS.has(column)) return 'integer';
  if (TIMES.has(column)) return 'time';
  return column === 'AlertTriggered' ? 'boolean' : 'text';
}
