/** Fills an audit with old batches that are certified and sealed, as workers would have left them. */
import { randomUUID } from 'node:crypto';
import { eventID } from '../../src/audit/eventID.js';
import { hashed, rootOf, sealable } from '../../src/audit/proof.js';
import type { PipelineEvent, PipelineLog, PipelineRun, Seal } from '../../src/domain/model.js';
import { NO_COUNTS, NO_DETAILS } from '../../src/domain/model.js';
import { isoTime } from '../../src/domain/time.js';
import type { AuditStore, NewBatch } from '../../src/engines/contract.js';

const STEPS = 2;
export const EVENTS_PER_BATCH = STEPS * 2;
const AT_ONCE = 5_000;
const FIRST = Date.parse('2024-01-01T00:00:00.000Z');

const timeOf = (n: number): number => FIRST + n * 60_000;
/** When batch n began: a minute after the one before it. */
export const startOf = (n: number): string => isoTime(timeOf(n));

export async function fill(store: AuditStore, batches: number): Promise<void> {
  for (let from = 0; from < batches; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, batches - from);
    await store.transaction(async (tx) => {
      const given = Array.from({ length: count }, (_, index) => newBatch(from + index));
      const opened = (await tx.openBatches(given)) as PipelineLog[];
      const records = opened.map((batch) => ({
        batch,
        runs: [runOf(batch)],
        events: eventsOf(batch),
        alerts: [],
      }));
      await tx.insertRuns(records.flatMap(({ runs }) => runs));
      await tx.addEvents(records.flatMap(({ events }) => events));
      let last = await tx.lastSeal();
      const seals = records.map((record): Seal => {
        const place = { SealNo: (last?.SealNo ?? 0) + 1, PrevRoot: last?.Root ?? null };
        const Root = rootOf(sealable(record)!, place);
        return (last = { LogID: record.batch.LogID, ...place, Root, SealedAt: record.batch.EndTime! });
      });
      await tx.insertSeals(seals);
    });
  }
}

/** As Temporal makes them: they begin with the time. */
function runID(time: number): string {
  const digits = time.toString(16).padStart(12, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7${randomUUID().slice(15)}`;
}

/** A hundred pipelines take turns. */
function newBatch(n: number): NewBatch {
  const RunID = runID(timeOf(n));
  return {
    ...NO_COUNTS,
    PipelineName: `pipeline ${n % 100}`,
    StartTime: startOf(n),
    EndTime: isoTime(timeOf(n) + 4_000),
    DurationMs: 4_000,
    Status: 'Success',
    RowsProcessed: n,
    ErrorMessage: null,
    Namespace: 'default',
    WorkflowID: `workflow-${n}`,
    RunID,
    OriginalRunID: RunID,
    WorkflowType: 'load',
    TaskQueue: 'etl',
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: 'somebody',
    RetryCount: 0,
    RetryStatus: null,
    AlertTriggered: false,
    CustomMessage: null,
    PreviousLogID: null,
    ParentLogID: null,
    ReplayOfLogID: null,
    Resolution: null,
    ResolvedByLogID: null,
    InputDigest: null,
  };
}

function runOf({ LogID, RunID, StartTime, EndTime }: PipelineLog): PipelineRun {
  return {
    RunID: RunID!,
    LogID,
    Reason: 'start',
    StartTime,
    EndTime,
    Status: 'Success',
    ErrorMessage: null,
    CertifiedAt: EndTime,
    CertifiedEventID: 11,
    HistoryHash: 'hash',
    GapCount: 0,
  };
}

function eventsOf({ LogID, RunID, StartTime }: PipelineLog): PipelineEvent[] {
  return Array.from({ length: EVENTS_PER_BATCH }, (_, k) => {
    const ActivityID = String(Math.floor(k / 2) + 1);
    const isStart = k % 2 === 0;
    return hashed({
      ...NO_DETAILS,
      EventID: eventID(RunID!, ActivityID, 1, isStart ? 'start' : 'end'),
      LogID,
      RunID: RunID!,
      StepName: `load table ${ActivityID}`,
      StepSequenceNum: Number(ActivityID),
      ActivityID,
      Attempt: 1,
      EventType: isStart ? 'start' : 'success',
      EventTime: StartTime,
      DurationMs: isStart ? null : 2_000,
      Worker: '4711@etl-worker-1',
      Witness: 'both',
    });
  });
}
