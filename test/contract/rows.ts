/** Histories filled with what a case does not care about, and the ledger's functions for one item. */
import type { RunEnd, RunHistory } from '../../src/audit/history.js';
import type { HistoryActivity } from '../../src/audit/historyActivities.js';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { noteTaskFailures } from '../../src/audit/ledger/noteTaskFailures.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { recordLive } from '../../src/audit/ledger/recordLive.js';
import { settleRuns } from '../../src/audit/ledger/settleRuns.js';
import type { BatchRecord, BatchRef, PipelineEvent, RunStart } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { NOW } from '../support/rows.js';

export { event, NOW, runStart } from '../support/rows.js';

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
    baseRunID: null,
    redone: [],
    historyHash: 'hash of the history',
    input: { digest: 'digest of the input', kept: undefined },
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
  return inLedger(store, (ledger) => openRuns(ledger, starts), now);
}

export function record(store: AuditStore, events: readonly PipelineEvent[], now = NOW): Promise<void> {
  return inLedger(store, (ledger) => recordLive(ledger, events), now);
}

export async function settle(store: AuditStore, histories: readonly RunHistory[], now = NOW): Promise<void> {
  await inLedger(store, (ledger) => settleRuns(ledger, histories), now);
}

export async function noteTaskFailure(store: AuditStore, start: RunStart, message: string): Promise<void> {
  await inLedger(store, (ledger) => noteTaskFailures(ledger, [{ start, message }]));
}

export async function read(store: AuditStore, { LogID }: Pick<BatchRef, 'LogID'>): Promise<BatchRecord> {
  const [found] = await store.transaction((tx) => tx.readBatches([LogID]));
  if (!found) throw new Error(`There is no batch ${LogID}`);
  return found;
}
