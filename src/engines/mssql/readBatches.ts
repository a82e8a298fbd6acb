import {
  ALERT_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
} from '../../domain/columns.js';
import type { Alert, BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';
import { toRecords } from '../shared/records.js';
import { given } from './given.js';
import { readRows } from './rows.js';
import type { Session } from './session.js';
import type { Statement, Statements } from './statements.js';

/** Batches with all that belongs to them, in one request. What `find` locks is locked before the rest is read. */
export async function readBatches(
  session: Session,
  sql: Statements,
  find: Statement,
  logIDs: readonly number[],
): Promise<BatchRecord[]> {
  const records: BatchRecord[] = [];
  for (const part of given(session.driver, ['LogID'], inOrder(logIDs))) {
    const table = part.table(['LogID']);
    const statements = [find, sql.findRunsOf, sql.findEventsOf, sql.findAlerts].map((one) => one(table));
    records.push(...recordsOf(await session.run(statements.join(';\n'), part.inputs)));
  }
  return records;
}

/** Rows are locked in the order of their ids, so that two transactions don't wait for each other. */
export function inOrder(logIDs: readonly number[]): Array<{ LogID: number }> {
  return [...new Set(logIDs)].sort((a, b) => a - b).map((LogID) => ({ LogID }));
}

function recordsOf(tables: Parameters<typeof readRows>[1][]): BatchRecord[] {
  const [batches, runs, events, alerts] = tables;
  return toRecords(readRows<PipelineLog>(PIPELINE_LOG_COLUMNS, batches), {
    runs: readRows<PipelineRun>(PIPELINE_RUN_COLUMNS, runs),
    events: readRows<PipelineEvent>(PIPELINE_EVENT_COLUMNS, events),
    alerts: readRows<Alert>(ALERT_COLUMNS, alerts),
  });
}
