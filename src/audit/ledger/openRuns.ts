/** What happens to the audit tables when runs begin, or go on. */
import type { AuditTransaction, NewBatch } from '../../engines/contract.js';
import { BatchGone } from '../../domain/errors.js';
import { fitted } from '../../domain/fitted.js';
import type { BatchRef, PipelineLog, PipelineRun, RunStart } from '../../domain/model.js';
import { NO_COUNTS } from '../../domain/model.js';
import { batchesByID, existing, runsByID } from './find.js';
import type { Ledger } from './ledger.js';

/** By RunID. */
type LogIDs = Map<string, Pick<PipelineRun, 'RunID' | 'LogID'>>;

/**
 * Gives each run its batch: a new one, or for a reset the one it continues. Harmless when repeated. Answers in the
 * order of the argument. Throws `BatchGone` for a run whose batch was purged.
 */
export async function openRuns(ledger: Ledger, starts: readonly RunStart[]): Promise<BatchRef[]> {
  const { tx } = ledger;
  const linked = starts.flatMap((start) => [start.RunID, ...linksOf(start)]);
  const known: LogIDs = await runsByID(tx, linked);
  const batches = await goOn(
    tx,
    starts.filter(({ RunID }) => known.has(RunID)),
    known,
  );
  const unknown = new Map(
    starts.filter(({ RunID }) => !known.has(RunID)).map((start) => [start.RunID, start]),
  );
  while (unknown.size > 0) {
    // A parent, or the run before, comes first: the batch names it by its LogID.
    const isFree = (start: RunStart): boolean =>
      linksOf(start).every((link) => link === null || link === start.RunID || !unknown.has(link));
    const free = [...unknown.values()].filter(isFree);
    const round = free.length > 0 ? free : [...unknown.values()];
    for (const [runID, batch] of await begin(ledger, round, known)) batches.set(runID, batch);
    for (const { RunID } of round) {
      known.set(RunID, { RunID, LogID: batches.get(RunID)!.LogID });
      unknown.delete(RunID);
    }
  }
  return starts.map(({ RunID }) => {
    const { LogID, PipelineName, WorkflowID } = batches.get(RunID)!;
    return { LogID, PipelineName, WorkflowID, RunID };
  });
}

/** The runs whose batches this run's batch names. */
export function linksOf({ previousRunID, parentRunID, replayedRunID }: RunStart): Array<string | null> {
  return [previousRunID, parentRunID, replayedRunID];
}

/** A run that goes on has got past the workflow task failure that its row may still show. */
async function goOn(
  tx: AuditTransaction,
  starts: readonly RunStart[],
  known: Readonly<LogIDs>,
): Promise<Map<string, PipelineLog>> {
  const batches = await batchesByID(
    tx,
    starts.map(({ RunID }) => known.get(RunID)!.LogID),
  );
  const moving = new Set(starts.map(({ RunID }) => RunID));
  const isStale = ({ Status, ErrorMessage, RunID }: PipelineLog): boolean =>
    Status === 'Running' && ErrorMessage !== null && RunID !== null && moving.has(RunID);
  const stale = [...batches.values()].filter(isStale).map(({ LogID }) => LogID);
  const locked = await tx.lockBatches(stale);
  await tx.updateBatches(locked.filter(isStale).map((batch) => ({ ...batch, ErrorMessage: null })));
  return new Map(starts.map(({ RunID }) => [RunID, existing(batches, known.get(RunID)!.LogID)]));
}

async function begin(
  ledger: Ledger,
  given: readonly RunStart[],
  known: Readonly<LogIDs>,
): Promise<Map<string, PipelineLog>> {
  const { tx } = ledger;
  const starts = await withOwnBatches(tx, given);
  // Two runs of one batch may begin in the same moment: a base run and its reset.
  const byOrigin = new Map(starts.map((start) => [originOf(start), start]));
  const opened = await tx.openBatches([...byOrigin.values()].map((start) => newBatch(start, known)));
  const batches = new Map(
    [...byOrigin.keys()].flatMap((origin, index) => (opened[index] ? [[origin, opened[index]]] : [])),
  );
  const gone = starts.filter((start) => !batches.has(originOf(start)));
  if (gone.length > 0) {
    const tombstones = await tx.findTombstones(gone.map(({ OriginalRunID }) => OriginalRunID));
    throw new BatchGone([...new Set(tombstones.map(({ LogID }) => LogID))]);
  }
  const runs = starts.map((start) => newRun(start, batches.get(originOf(start))!.LogID));
  await tx.insertRuns(runs);
  await goOnInResets(ledger, runs);
  return new Map(starts.map((start) => [start.RunID, batches.get(originOf(start))!]));
}

/**
 * A batch that was there already continues in its latest run. Workers may see two resets in another order than Temporal
 * made them.
 */
async function goOnInResets(ledger: Ledger, begun: readonly PipelineRun[]): Promise<void> {
  const { tx } = ledger;
  const resets = begun.filter(({ Reason }) => Reason === 'reset').sort(byStart);
  if (resets.length === 0) return;
  const latest = new Map(resets.map((run) => [run.LogID, run]));
  const batches = await tx.lockBatches([...latest.keys()]);
  const shown = await runsByID(
    tx,
    batches.map(({ RunID }) => RunID),
  );
  const continued = batches.filter(({ LogID, RunID }) => {
    const next = latest.get(LogID)!;
    const before = RunID === null ? undefined : shown.get(RunID);
    return RunID !== next.RunID && (!before || byStart(before, next) <= 0);
  });
  await tx.updateBatches(
    continued.map((batch) => ({
      ...batch,
      RunID: latest.get(batch.LogID)!.RunID,
      Status: 'Running',
      EndTime: null,
      DurationMs: null,
      ErrorMessage: null,
    })),
  );
  ledger.changed(latest.keys());
}

function byStart(a: PipelineRun, b: PipelineRun): number {
  return a.StartTime.localeCompare(b.StartTime);
}

/** A batch that was purged has nothing that the reset of its run could continue: that is a batch of its own. */
async function withOwnBatches(
  tx: AuditTransaction,
  starts: readonly RunStart[],
): Promise<readonly RunStart[]> {
  const resets = starts.filter(isReset);
  if (resets.length === 0) return starts;
  const tombstones = await tx.findTombstones(resets.map(({ OriginalRunID }) => OriginalRunID));
  const purged = new Set(tombstones.map(({ RunID }) => RunID));
  return starts.map((start) =>
    purged.has(start.OriginalRunID) ? { ...start, OriginalRunID: start.RunID } : start,
  );
}

function originOf({ Namespace, OriginalRunID }: RunStart): string {
  return JSON.stringify([Namespace, OriginalRunID]);
}

function isReset({ RunID, OriginalRunID }: RunStart): boolean {
  return RunID !== OriginalRunID;
}

function newRun(start: RunStart, LogID: number): PipelineRun {
  return {
    RunID: start.RunID,
    LogID,
    Reason: isReset(start) ? 'reset' : 'start',
    StartTime: start.RunStartTime,
    EndTime: null,
    Status: 'Running',
    ErrorMessage: null,
    CertifiedAt: null,
    CertifiedEventID: null,
    HistoryHash: null,
    GapCount: null,
  };
}

function newBatch(start: RunStart, known: Readonly<LogIDs>): NewBatch {
  const { previousRunID, parentRunID, replayedRunID, RunStartTime: _, ...facts } = start;
  const logIDOf = (runID: string | null): number | null =>
    runID === null ? null : (known.get(runID)?.LogID ?? null);
  return fitted({
    ...NO_COUNTS,
    ...facts,
    EndTime: null,
    Status: 'Running',
    ErrorMessage: null,
    InputDigest: null,
    DurationMs: null,
    RetryCount: 0,
    RetryStatus: null,
    AlertTriggered: false,
    CustomMessage: null,
    PreviousLogID: logIDOf(previousRunID),
    ParentLogID: logIDOf(parentRunID),
    ReplayOfLogID: logIDOf(replayedRunID),
    Resolution: null,
    ResolvedByLogID: null,
  });
}

/** The batches of runs that some worker opened; undefined for the others. In the order of the argument. */
export async function findBatchRefs(
  { tx }: Ledger,
  keys: ReadonlyArray<Pick<BatchRef, 'WorkflowID' | 'RunID'>>,
): Promise<Array<BatchRef | undefined>> {
  const runIDs = keys.map(({ RunID }) => RunID);
  const runs = await runsByID(tx, runIDs);
  const batches = await batchesByID(
    tx,
    [...runs.values()].map(({ LogID }) => LogID),
  );
  return runIDs.map((RunID) => {
    const run = runs.get(RunID);
    if (!run) return undefined;
    const { LogID, PipelineName, WorkflowID } = existing(batches, run.LogID);
    return { LogID, PipelineName, WorkflowID, RunID };
  });
}
