/** Which failed batches are no longer open because another one has done their work. */
import type { PipelineLog } from '../../domain/model.js';
import { FAILED_STATUSES } from '../../domain/model.js';
import type { ScheduleWindow } from '../../engines/contract.js';
import type { RunHistory } from '../history.js';
import { isTriedAgain } from '../openBatches.js';
import type { Settled } from '../settle.js';
import { batchesByID } from './find.js';
import type { Ledger } from './ledger.js';
import type { Resolving } from './resolveBatch.js';
import { resolveBatch } from './resolveBatch.js';

/**
 * What failed, and what has done its work, may be closed in any order, also at the same moment by two workers. So either
 * looks for the other, and holds what lets only one of them look at a time: the second one finds what the first has left.
 */
export async function resolveRepaired(ledger: Ledger, settled: readonly Settled[]): Promise<void> {
  for (const { record, history, settlement } of settled) {
    if (settlement.batch.Status === 'Success') {
      await supersedeRetriedRuns(ledger, record.batch, record.batch.LogID);
      await resolveReplayed(ledger, record.batch);
    }
    if (settlement.batch.Resolution === 'replayed') {
      await resolveRedoneChildren(ledger, record.batch, history);
    }
    if (history.end?.willRetry) await supersedeFromSuccessor(ledger, record.batch.LogID);
  }
  const closed = settled.map(({ record, settlement }) => ({ ...record.batch, ...settlement.batch }));
  await resolveLateDependents(ledger, closed);
  await supersedeScheduled(ledger, closed);
}

/** Temporal's workflow retry made a new batch of each try; the one that succeeds settles those before it. */
async function supersedeRetriedRuns(ledger: Ledger, last: PipelineLog, successID: number): Promise<void> {
  for (let logID = last.PreviousLogID; logID !== null;) {
    const [previous] = await ledger.tx.lockBatches([logID]);
    // It was purged, and so it is not open.
    if (!previous) return;
    if (previous.Resolution !== 'superseded') {
      if (!isTriedAgain(previous)) return;
      await supersede(ledger, previous, successID);
    }
    logID = previous.PreviousLogID;
  }
}

/** What failed and was done again is repaired by the replay that succeeds, and so are the replays between that failed. */
async function resolveReplayed(ledger: Ledger, success: PipelineLog): Promise<void> {
  for (let logID = success.ReplayOfLogID; logID !== null;) {
    const [failed] = await ledger.tx.lockBatches([logID]);
    // It was purged, and so it is not open.
    if (!failed) return;
    const resolution = { Resolution: 'replayed', ResolvedByLogID: success.LogID } as const;
    if (failed.Resolution === 'open') await resolveBatch(ledger, failed, resolution);
    await resolveDependents(ledger, failed.LogID, resolution);
    await supersedeRetriedRuns(ledger, failed, success.LogID);
    logID = failed.ReplayOfLogID;
  }
}

async function supersedeFromSuccessor(ledger: Ledger, logID: number): Promise<void> {
  const successorOf = async (of: number): Promise<PipelineLog | undefined> => {
    const successors = await ledger.tx.findSuccessors([of]);
    return successors.sort((a, b) => a.LogID - b.LogID)[0];
  };
  let next = await successorOf(logID);
  // Tries may be closed in any order: those between may be settled already.
  while (next && (next.Resolution === 'superseded' || isTriedAgain(next)))
    next = await successorOf(next.LogID);
  if (next?.Status === 'Success') await supersedeRetriedRuns(ledger, next, next.LogID);
}

/**
 * What a Schedule starts for one nominal time is done when a later run for that time succeeds: a backfill starts it again.
 * They have no row in common, but each who closes one ends with a seal.
 */
async function supersedeScheduled(ledger: Ledger, closed: readonly PipelineLog[]): Promise<void> {
  const { tx } = ledger;
  const windows = new Map(closed.filter(isDecided).map((batch) => [windowOf(batch), batch]));
  if (windows.size === 0) return;
  await ledger.holdChain();
  const found = await tx.findScheduled([...windows.values()]);
  const successes = found.filter(({ Status }) => Status === 'Success').sort(byStart);
  const laterOf = (failed: PipelineLog): PipelineLog | undefined =>
    successes.find((one) => windowOf(one) === windowOf(failed) && byStart(failed, one) < 0);
  const repaired = found.filter((batch) => batch.Resolution === 'open' && laterOf(batch));
  for (const failed of await tx.lockBatches(repaired.map(({ LogID }) => LogID))) {
    const later = laterOf(failed);
    if (failed.Resolution === 'open' && later) await supersede(ledger, failed, later.LogID);
  }
}

function isDecided(batch: PipelineLog): batch is PipelineLog & ScheduleWindow {
  const { Namespace, ScheduleID, ScheduledTime, Status } = batch;
  const isScheduled = Namespace !== null && ScheduleID !== null && ScheduledTime !== null;
  return isScheduled && (Status === 'Success' || FAILED_STATUSES.includes(Status));
}

function windowOf({ Namespace, ScheduleID, ScheduledTime }: PipelineLog): string {
  return JSON.stringify([Namespace, ScheduleID, ScheduledTime]);
}

function byStart(a: PipelineLog, b: PipelineLog): number {
  return a.StartTime < b.StartTime ? -1 : a.StartTime > b.StartTime ? 1 : a.LogID - b.LogID;
}

async function supersede(ledger: Ledger, failed: PipelineLog, successID: number): Promise<void> {
  const resolution = { Resolution: 'superseded', ResolvedByLogID: successID } as const;
  // Whoever goes on from a batch that was tried again has recovered it.
  await resolveBatch(ledger, failed, resolution, isTriedAgain(failed) ? { RetryStatus: 'recovered' } : {});
  await resolveDependents(ledger, failed.LogID, resolution);
}

/** Who does the work of a batch again starts its children again, too, and does what its failed replays did not. */
async function resolveDependents(
  ledger: Ledger,
  logID: number,
  resolution: Resolving,
  isMeant: (dependent: PipelineLog) => boolean = () => true,
): Promise<void> {
  const dependents = (await ledger.tx.findOpenDependents([logID])).filter(isMeant);
  await resolveOpen(ledger, dependents, () => resolution);
}

async function resolveOpen(
  ledger: Ledger,
  found: readonly PipelineLog[],
  resolutionOf: (batch: PipelineLog) => Resolving,
): Promise<void> {
  const batches = await ledger.tx.lockBatches(found.map(({ LogID }) => LogID));
  for (const batch of batches.filter(({ Resolution }) => Resolution === 'open')) {
    const { ResolvedByLogID, Resolution } = resolutionOf(batch);
    // That one was tried again says more than that its parent was.
    if (isTriedAgain(batch)) await supersede(ledger, batch, ResolvedByLogID!);
    else {
      await resolveBatch(ledger, batch, { Resolution, ResolvedByLogID });
      await resolveDependents(ledger, batch.LogID, { Resolution, ResolvedByLogID });
    }
  }
}

/** A reset does again what came after its point; children that had ended before are kept, however they ended. */
async function resolveRedoneChildren(
  ledger: Ledger,
  { LogID }: PipelineLog,
  { redone }: RunHistory,
): Promise<void> {
  if (redone.length === 0) return;
  await resolveDependents(
    ledger,
    LogID,
    { Resolution: 'replayed', ResolvedByLogID: LogID },
    ({ StartTime }) => redone.some(({ from, to }) => StartTime >= from && StartTime < to),
  );
}

/**
 * What a child, or a replay, is to do may have been done again before it was closed. The batch that it belongs to is locked
 * by whoever repairs that one, too.
 */
async function resolveLateDependents(ledger: Ledger, closed: readonly PipelineLog[]): Promise<void> {
  const { tx } = ledger;
  const late = closed.filter((batch) => dependsOn(batch) !== null && FAILED_STATUSES.includes(batch.Status));
  if (late.length === 0) return;
  const locked = await tx.lockBatches([...new Set(late.map((batch) => dependsOn(batch)!))]);
  const bases = new Map(locked.map((base) => [base.LogID, base]));
  const repairers = await batchesByID(
    tx,
    locked.flatMap(({ ResolvedByLogID }) => ResolvedByLogID ?? []),
  );
  const resolutionOf = (batch: PipelineLog): Resolving | undefined => {
    const base = bases.get(dependsOn(batch)!);
    if (base?.Resolution !== 'replayed' && base?.Resolution !== 'superseded') return undefined;
    const { Resolution, ResolvedByLogID } = base;
    const repairer = repairers.get(ResolvedByLogID!);
    // After a reset it may be of either run.
    const isAnother = repairer !== undefined && repairer.LogID !== base.LogID;
    return isAnother && batch.StartTime < repairer.StartTime ? { Resolution, ResolvedByLogID } : undefined;
  };
  const repaired = late.filter((batch) => resolutionOf(batch) !== undefined);
  await resolveOpen(ledger, repaired, (batch) => resolutionOf(batch)!);
}

/** The batch that has started it, or that it replays. */
function dependsOn({ ParentLogID, ReplayOfLogID }: PipelineLog): number | null {
  return ParentLogID ?? ReplayOfLogID;
}
