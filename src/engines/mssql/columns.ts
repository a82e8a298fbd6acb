/** The SQL Server types of the audit's columns, as the files in migrations/ have them. */
import { columnKind } from '../../domain/columns.js';

/** Compares code point by code point, as ids must. */
export const BINARY = 'Latin1_General_BIN2';

/** The longest NVARCHAR that is not MAX, which comparisons with indexes and CHARINDEX need. */
export const MOST_CHARACTERS = 4_000;

/** The lengths of texts; what is not listed is NVARCHAR(MAX). */
const LENGTHS: Readonly<Record<string, number>> = {
  PipelineName: 255,
  Status: 20,
  Namespace: 255,
  WorkflowID: 1000,
  RunID: 100,
  OriginalRunID: 100,
  WorkflowType: 1000,
  TaskQueue: 1000,
  ScheduleID: 1000,
  RunByUser: 1000,
  InputDigest: 100,
  SourceSystem: 1000,
  TargetSystem: 1000,
  RetryStatus: 20,
  Resolution: 20,
  Reason: 20,
  HistoryHash: 100,
  EventID: 100,
  StepName: 1000,
  ActivityID: 1100,
  EventType: 20,
  ErrorType: 1000,
  Worker: 1000,
  Witness: 20,
  EventHash: 100,
  Rule: 50,
  Severity: 20,
  Root: 100,
  PrevRoot: 100,
};
/** What people and programs name as they like is cut to its length; an id that is too long is an error. */
const CUT = new Set([
  'PipelineName',
  'RunByUser',
  'SourceSystem',
  'TargetSystem',
  'StepName',
  'ErrorType',
  'Worker',
]);
const IDS = new Set([
  'Namespace',
  'WorkflowID',
  'RunID',
  'OriginalRunID',
  'ScheduleID',
  'EventID',
  'ActivityID',
]);

/** Undefined for NVARCHAR(MAX). */
export function lengthOf(column: string): number | undefined {
  return LENGTHS[column];
}

export function cutLengthOf(column: string): number | undefined {
  return CUT.has(column) ? LENGTHS[column] : undefined;
}

export function isID(column: string): boolean {
  return IDS.has(column);
}

/** The place of a row among those that were given with it. */
export const POSITION = 'Position';

export function typeOf(column: string): string {
  if (column === POSITION) return 'INT';
  switch (columnKind(column)) {
    case 'text':
      return `NVARCHAR(${lengthOf(column) ?? 'MAX'})`;
    case 'integer':
      return /(?:LogID|AlertID)$/.test(column) ? 'INT' : 'BIGINT';
    case 'boolean':
      return 'BIT';
    case 'time':
      return 'DATETIME2(3)';
  }
}

export function list(columns: readonly string[], table?: string): string {
  return columns.map((column) => (table ? `${table}.[${column}]` : `[${column}]`)).join(', ');
}
