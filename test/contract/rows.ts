/** The audit's rows, filled with what a case does not care about, and the ledger's functions for one item. */
import type { HistoryActivity, RunEnd, RunHistory } from '../../src/audit/history.js';
import { eventID } from '../../src/audit/eventID.js';
import { noteTaskFailures } from '../../src/audit/ledger/noteTaskFailures.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { recordLive } from '../../src/audit/ledger/recordLive.js';
import { settleRuns } from '../../src/audit/ledger/settleRuns.js';
import { isAttemptEnd } from '../../src/domain/merge.js';
import type { BatchRecord, BatchRef, PipelineEvent, RunStart } from '../../src/domain/model.js';
import { NO_COUNTS } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { unique } from './engines.js';

export const NOW = '2026-03-29T00:59:59.999Z';

export function runStart(more: Partial<RunStart> = {}): RunStart {
  const RunID = more.RunID ?? unique('run');
  return {
    Namespace: 'default',
    WorkflowID: `workflow of ${RunID}`,
    RunID,
    OriginalRunID: RunID,
    PipelineName: 'Pipeline',
    WorkflowType: 'load',
    TaskQueue: 'etl',
    StartTime: NOW,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    ...more,
  };
}

/** An event of the batch's run; its id is derived as the audit derives it. */
export function event({ LogID, RunID }: BatchRef, more: Partial<PipelineEvent> = {}): PipelineEvent {
  const row = {
    ...NO_COUNTS,
    LogID,
    RunID,
    StepName: 'step',
    StepSequenceNum: 1,
    ActivityID: '1',
    Attempt: 1,
    EventType: 'success' as const,
    EventTime: NOW,
    DurationMs: 5,
    Message: null,
    ErrorType: null,
    ErrorMessage: null,
    RetryStatus: null,
    NextRetryTime: null,
    AlertTriggered: false,
    Worker: 'worker',
    Witness: 'live' as const,
    EventHash: null,
    ...more,
  };
  const slot = row.EventType === 'start' ? 'start' : isAttemptEnd(row) ? 'end' : 'log:1';
  return { EventID: eventID(row.RunID, row.ActivityID, row.Attempt, slot), ...row };
}

export function runHistory(
  start: RunStart,
  end: Partial<RunEnd> | undefined = {},
  activities: ReadonlyArray<Partial<HistoryActivity>> = [],
): RunHistory {
  return {
    start,
    end: {
      status: 'Success',
      time: '2026-03-29T01:10:00.000Z',
      error: undefined,
      counts: {},
      byReset: false,
      willRetry: false,
      ...end,
    },
    activities: activities.map((activity) => ({
      ActivityID: '1',
      StepName: 'step',
      scheduledTime: NOW,
      kept: false,
      attempt: 1,
      startedTime: NOW,
      worker: 'worker',
      lastFailure: undefined,
      end: { type: 'success', time: NOW, error: undefined, retryStatus: null, counts: {} },
      ...activity,
    })),
    lastEventID: 11,
  };
}

/** What history says of an activity's end when it failed for good. */
export const FAILED: HistoryActivity['end'] = {
  type: 'failure',
  time: NOW,
  error: { type: 'Error', message: 'disk full' },
  retryStatus: 'exhausted',
  counts: {},
};

export async function open(store: AuditStore, start: RunStart, now = NOW): Promise<BatchRef> {
  const [ref] = await openAll(store, [start], now);
  return ref!;
}

export function openAll(store: AuditStore, starts: readonly RunStart[], now = NOW): Promise<BatchRef[]> {
  return store.transaction((tx) => openRuns(tx, starts, now));
}

export function record(store: AuditStore, events: readonly PipelineEvent[], now = NOW): Promise<void> {
  return store.transaction((tx) => recordLive(tx, events, now));
}

export async function settle(store: AuditStore, histories: readonly RunHistory[], now = NOW): Promise<void> {
  await store.transaction((tx) => settleRuns(tx, histories, now));
}

export async function noteTaskFailure(store: AuditStore, runID: string, message: string): Promise<void> {
  await store.transaction((tx) => noteTaskFailures(tx, [{ runID, message }]));
}

export async function read(store: AuditStore, { LogID }: Pick<BatchRef, 'LogID'>): Promise<BatchRecord> {
  const [found] = await store.transaction((tx) => tx.readBatches([LogID]));
  if (!found) throw new Error(`There is no batch ${LogID}`);
  return found;
}
