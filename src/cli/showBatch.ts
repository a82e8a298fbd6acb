/** One batch as text: header, runs, timeline, logs, alerts. */
import type { Alert, BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from '../domain/model.js';
import { count, dayAndTime, duration, timeOfDay } from './format.js';
import { painted } from './output.js';
import { statusStyle } from './statusStyle.js';
import type { Column } from './table.js';
import { formatRecord, formatTable } from './table.js';
import { clean, oneLine } from './text.js';
import { formatTimeline, isLogLine } from './timeline.js';

export function formatBatch({ batch, runs, events, alerts }: BatchRecord, width: number): string {
  const attempts = events.filter((event) => !isLogLine(event));
  const logLines = events.filter(isLogLine);
  const sections = [
    `${painted('bold', `Batch ${batch.LogID}`)}  ${oneLine(batch.PipelineName)}  ${painted(statusStyle(batch.Status), batch.Status)}`,
    formatRecord(facts(batch)),
    runs.length > 1 && section('Runs', formatTable(RUN_COLUMNS, runs, width)),
    section('Steps', attempts.length > 0 ? formatTimeline(attempts, width) : 'No step has started yet'),
    logLines.length > 0 && section('Log', formatTable(LOG_COLUMNS, logLines, width)),
    alerts.length > 0 && section('Alerts', formatTable(ALERT_COLUMNS, alerts, width)),
  ];
  return sections.filter((text) => text !== false).join('\n\n');
}

function section(title: string, text: string): string {
  return `${painted('bold', title)}\n${text}`;
}

/** The facts that are there; what is unknown takes no line. */
function facts(batch: PipelineLog): Array<[string, string]> {
  const all: Array<[string, string | null]> = [
    ['Started', `${dayAndTime(batch.StartTime)} UTC`],
    ['Ended', batch.EndTime && listed(`${dayAndTime(batch.EndTime)} UTC`, duration(batch.DurationMs))],
    ['Workflow', batch.WorkflowID],
    ['Run', batch.RunID],
    ['Type', batch.WorkflowType],
    ['Namespace', batch.Namespace],
    ['Task queue', batch.TaskQueue],
    ['Started by', batch.RunByUser],
    [
      'Schedule',
      batch.ScheduleID &&
        listed(batch.ScheduleID, batch.ScheduledTime && `due ${dayAndTime(batch.ScheduledTime)} UTC`),
    ],
    ['Links', links(batch)],
    ['Systems', [batch.SourceSystem, batch.TargetSystem].filter((system) => system !== null).join(' -> ')],
    ['Rows', rows(batch)],
    ['Retries', listed(String(batch.RetryCount), batch.RetryStatus)],
    ['Resolution', batch.Resolution],
    ['Message', batch.CustomMessage],
    ['Error', batch.ErrorMessage],
  ];
  return all.flatMap(([name, value]) => (value ? [[name, clean(value)] as [string, string]] : []));
}

function links(batch: PipelineLog): string {
  return listed(
    named('continues batch', batch.PreviousLogID),
    named('child of batch', batch.ParentLogID),
    named('replays batch', batch.ReplayOfLogID),
    named('resolved by batch', batch.ResolvedByLogID),
  );
}

function rows(batch: PipelineLog): string {
  return listed(
    named('processed', batch.RowsProcessed),
    named('rejected', batch.RowsRejected),
    named('before', batch.RecordCountBefore),
    named('after', batch.RecordCountAfter),
  );
}

function named(name: string, value: number | null): string {
  return value === null ? '' : `${name} ${value}`;
}

function listed(...parts: ReadonlyArray<string | null>): string {
  return parts.filter((part) => part !== null && part !== '').join(', ');
}

const RUN_COLUMNS: ReadonlyArray<Column<PipelineRun>> = [
  { title: 'Run', value: ({ RunID }) => RunID },
  { title: 'Reason', value: ({ Reason }) => Reason },
  {
    title: 'Status',
    value: ({ Status }) => Status,
    paint: (cell, { Status }) => painted(statusStyle(Status), cell),
  },
  { title: 'Started', value: ({ StartTime }) => dayAndTime(StartTime) },
  { title: 'Ended', value: ({ EndTime }) => (EndTime === null ? '' : dayAndTime(EndTime)) },
  { title: 'Error', value: ({ ErrorMessage }) => ErrorMessage ?? '' },
];

const LOG_COLUMNS: ReadonlyArray<Column<PipelineEvent>> = [
  { title: 'Time', value: ({ EventTime }) => timeOfDay(EventTime) },
  { title: 'Level', value: ({ EventType }) => EventType },
  { title: 'Step', value: ({ StepName }) => StepName },
  { title: 'Rows', align: 'right', value: ({ RowsProcessed }) => count(RowsProcessed) },
  { title: 'Message', value: ({ Message }) => Message ?? '' },
];

export const ALERT_COLUMNS: ReadonlyArray<Column<Alert>> = [
  { title: 'Alert', align: 'right', value: ({ AlertID }) => String(AlertID) },
  { title: 'Severity', value: ({ Severity }) => Severity },
  { title: 'Rule', value: ({ Rule }) => Rule },
  { title: 'Raised', value: ({ RaisedAt }) => dayAndTime(RaisedAt) },
  { title: 'Resolved', value: ({ ResolvedAt }) => (ResolvedAt === null ? 'open' : dayAndTime(ResolvedAt)) },
  { title: 'Message', value: ({ Message }) => Message },
];
