/** What happens to the audit tables when the histories of runs are known. */
import type { AuditTransaction } from '../../engines/contract.js';
import type { BatchRecord, PipelineLog } from '../../domain/model.js';
import type { RunHistory } from '../history.js';
import { settleRun } from '../settle.js';
import type { Settlement } from '../settle.js';
import { openRuns } from './openRuns.js';

/** Closes runs by their histories: statuses, counts, retries and alerts as Temporal knows them. */
export async function settleRuns(
  tx: AuditTransaction,
  histories: readonly RunHistory[],
  now: string,
): Promise<void[]> {
  const refs = await openRuns(
    tx,
    histories.map(({ start }) => start),
    now,
  );
  let rest = histories.map((history, index) => ({ history, logID: refs[index]!.LogID }));
  // What the end of one run of a batch means depends on what was written about the other.
  while (rest.length > 0) {
    const round = new Map<number, RunHistory>();
    rest = rest.filter(({ history, logID }) => round.has(logID) || !round.set(logID, history));
    await settleRound(tx, round, now);
  }
  return histories.map(() => undefined);
}

/** At most one run of each batch. */
async function settleRound(
  tx: AuditTransaction,
  histories: ReadonlyMap<number, RunHistory>,
  now: string,
): Promise<void> {
  const records = await tx.readBatches([...histories.keys()]);
  const settled = records
    .map((record) => ({ record, history: histories.get(record.batch.LogID)! }))
    .filter(({ record, history }) => !isCertified(record, history))
    .map(({ record, history }) => ({ record, history, settlement: settleRun(record, history, now) }));
  const all = <T>(part: (settlement: Settlement) => T[]): T[] =>
    settled.flatMap(({ settlement }) => part(settlement));
  await tx.putEvents(all(({ events }) => events));
  await tx.confirmEvents(all(({ confirmed }) => confirmed));
  await tx.updateRuns(
    settled.map(({ record, history, settlement }) => ({
      ...record.runs.find(({ RunID }) => RunID === history.start.RunID)!,
      ...settlement.run,
    })),
  );
  await tx.updateBatches(settled.map(({ record, settlement }) => ({ ...record.batch, ...settlement.batch })));
  await tx.insertAlerts(all(({ raise }) => raise));
  await tx.resolveAlerts(
    all(({ resolve }) => resolve),
    now,
  );
  for (const { record, history, settlement } of settled) {
    if (settlement.batch.Status === 'Success') await supersedeRetriedRuns(tx, record.batch, now);
    // The try that succeeded may have been closed before this one, by another worker.
    if (history.end?.willRetry) await supersedeFromSuccessor(tx, record.batch.LogID, now);
  }
}

/** Another worker may have read the same history. */
function isCertified({ runs }: BatchRecord, { start, lastEventID }: RunHistory): boolean {
  const run = runs.find(({ RunID }) => RunID === start.RunID);
  return run?.CertifiedAt != null && run.CertifiedEventID === lastEventID;
}

/** Temporal's workflow retry made a new batch of each try; the one that succeeds settles those before it. */
async function supersedeRetriedRuns(tx: AuditTransaction, success: PipelineLog, now: string): Promise<void> {
  for (let logID = success.PreviousLogID; logID !== null;) {
    const [previous] = await tx.lockBatches([logID]);
    if (!previous) {
      throw new Error(`Batch ${success.LogID} goes on after batch ${logID}, and there is no such batch`);
    }
    if (previous.Resolution !== 'superseded') {
      if (!wasTriedAgain(previous)) return;
      await tx.updateBatches([
        { ...previous, RetryStatus: 'recovered', Resolution: 'superseded', ResolvedByLogID: success.LogID },
      ]);
      const open = (await tx.findAlerts([logID])).filter(({ ResolvedAt }) => ResolvedAt === null);
      await tx.resolveAlerts(
        open.map(({ AlertID }) => AlertID),
        now,
      );
    }
    logID = previous.PreviousLogID;
  }
}

async function supersedeFromSuccessor(tx: AuditTransaction, logID: number, now: string): Promise<void> {
  const successorOf = async (of: number): Promise<PipelineLog | undefined> => {
    const successors = await tx.findSuccessors([of]);
    return successors.sort((a, b) => a.LogID - b.LogID)[0];
  };
  let next = await successorOf(logID);
  // Tries may be closed in any order: those between may be settled already.
  while (next && (next.Resolution === 'superseded' || wasTriedAgain(next)))
    next = await successorOf(next.LogID);
  if (next?.Status === 'Success') await supersedeRetriedRuns(tx, next, now);
}

function wasTriedAgain({ Status, RetryStatus }: PipelineLog): boolean {
  return RetryStatus === 'retrying' && Status !== 'Running';
}
