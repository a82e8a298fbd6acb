/** Which failed batches are no longer open because another one has done their work. */
import type { PipelineLog } from '../../domain/model.js';
import { FAILED_STATUSES } from '../../domain/model.js';
import type { ScheduleWindow } from '../../engines/contract.js';
import { isTriedAgain } from '../openBatches.js';
import type { Ledger } from './ledger.js';
import { resolveBatch } from './resolveBatch.js';

/** Temporal's workflow retry made a new batch of each try; the one that succeeds settles those before it. */
export async function supersedeRetriedRuns(
  ledger: Ledger,
  last: PipelineLog,
  successID: number,
): Promise<void> {
  for (let logID = last.PreviousLogID; logID !== null;) {
    const [previous] = await ledger.tx.lockBatches([logID]);
    if (!previous) {
      throw new Error(`Batch ${last.LogID} goes on after batch ${logID}, and there is no such batch`);
    }
    if (previous.Resolution !== 'superseded') {
      if (!isTriedAgain(previous)) return;
      await supersede(ledger, previous, successID);
    }
    logID = previous.PreviousLogID;
  }
}

/** What failed and was done again is repaired by the replay that succeeds, and so are the replays between that failed. */
export async function resolveReplayed(ledger: Ledger, success: PipelineLog): Promise<void> {
  for (let logID = success.ReplayOfLogID; logID !== null;) {
    const [failed] = await ledger.tx.lockBatches([logID]);
    if (!failed) {
      throw new Error(`Batch ${success.LogID} replays batch ${logID}, and there is no such batch`);
    }
    if (failed.Resolution === 'open') {
      await resolveBatch(ledger, failed, { Resolution: 'replayed', ResolvedByLogID: success.LogID });
    }
    await supersedeRetriedRuns(ledger, failed, success.LogID);
    logID = failed.ReplayOfLogID;
  }
}

export async function supersedeFromSuccessor(ledger: Ledger, logID: number): Promise<void> {
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
 * The later one may have been closed before the one that failed, so either asks for the other.
 */
export async function supersedeScheduled(ledger: Ledger, closed: readonly PipelineLog[]): Promise<void> {
  const { tx } = ledger;
  const windows = new Map(closed.filter(isDecided).map((batch) => [windowOf(batch), batch]));
  if (windows.size === 0) return;
  const found = await tx.findScheduled([...windows.values()]);
  const successes = found.filter(({ Status }) => Status === 'Success').sort(byStart);
  if (successes.length === 0) return;
  // One that goes on by what is known here may be closed by another transaction at this moment.
  const others = found.filter(({ Status, Resolution }) => Status === 'Running' || Resolution === 'open');
  for (const failed of await tx.lockBatches(others.map(({ LogID }) => LogID))) {
    const later = successes.find((one) => windowOf(one) === windowOf(failed) && byStart(failed, one) < 0);
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
  await resolveBatch(ledger, failed, resolution, isTriedAgain(failed) ? { RetryStatus: 'recovered' } : {});
}
