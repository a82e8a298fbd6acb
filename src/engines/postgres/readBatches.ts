import type pg from 'pg';
import {
  ALERT_COLUMNS,
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
  SEAL_COLUMNS,
  TOMBSTONE_COLUMNS,
} from '../../domain/columns.js';
import type {
  Alert,
  BatchRecord,
  PipelineEvent,
  PipelineLog,
  PipelineRun,
  Seal,
  Tombstone,
} from '../../domain/model.js';
import type { OldBatch, Stray } from '../contract.js';
import { toRecords } from '../shared/records.js';
import { rowReader } from './rows.js';
import { run } from './run.js';
import type { Statement, Statements } from './statements.js';

export const readBatchRow = rowReader<PipelineLog>(PIPELINE_LOG_COLUMNS);
export const readRunRow = rowReader<PipelineRun>(PIPELINE_RUN_COLUMNS);
export const readEventRow = rowReader<PipelineEvent>(PIPELINE_EVENT_COLUMNS);
export const readAlertRow = rowReader<Alert>(ALERT_COLUMNS);
export const readSealRow = rowReader<Seal>(SEAL_COLUMNS);
export const readTombstoneRow = rowReader<Tombstone>(TOMBSTONE_COLUMNS);
export const readOldRow = rowReader<OldBatch>(['LogID', 'PipelineName', 'StartTime', 'Events']);
export const readStrayRow = rowReader<Stray>(['TableName', 'LogID', 'RowsFound']);

/** Batches with all that belongs to them. What `find` locks is locked before the rest is read: statements keep their order. */
export async function readBatches(
  client: pg.ClientBase,
  sql: Statements,
  find: Statement,
  logIDs: readonly number[],
): Promise<BatchRecord[]> {
  const [batches, runs, events, alerts] = await Promise.all(
    [find, sql.findRunsOf, sql.findEventsOf, sql.findAlertsOf].map((one) => run(client, one, [logIDs])),
  );
  return toRecords(batches!.map(readBatchRow), {
    runs: runs!.map(readRunRow),
    events: events!.map(readEventRow),
    alerts: alerts!.map(readAlertRow),
  });
}
