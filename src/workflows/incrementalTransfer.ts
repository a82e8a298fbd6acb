/**
 * Moves what is new since the runs before: the window of the run's nominal time, and the holes before it. Which intervals
 * are in stands in the target, so that it doesn't matter which runs came late, twice or not at all.
 */
import { workflowInfo } from '@temporalio/workflow';
import type { IncrementalTransferInput } from '../domain/incremental.js';
import { checkIncrementalInput, cursorSteps, nominalWindow } from '../domain/incremental.js';
import { replayMark } from '../domain/replay.js';
import type { TransferCounts } from '../domain/transfer.js';
import { DEFAULT_PARALLEL } from '../domain/transfer.js';
import { checkInput } from './checkInput.js';
import { failureType } from './failureType.js';
import { moveTables } from './moveTables.js';
import { replacedBatches } from './replacedBatches.js';
import { steps } from './transferSteps.js';

/** How often it is found out again what is to be moved, because another batch moved it meanwhile. */
const PLANS = 5;

/** Tables that need no rows are not counted either. */
type Moved = Pick<TransferCounts, 'rowsProcessed' | 'rowsRejected'> & Partial<TransferCounts>;

export async function incrementalTransfer(input: IncrementalTransferInput): Promise<Moved> {
  const { input: checked, pace } = checkInput(checkIncrementalInput, input);
  const { source, staging, target, mode, allowRejected = false, cleanup = 'onSuccess' } = checked;
  const { parallel = DEFAULT_PARALLEL } = checked;
  const places = { source, staging, target };
  const tables = cursorSteps(checked, pace);
  const window =
    pace.kind === 'time'
      ? checkInput((run) => nominalWindow(pace, run), { at: checked.at, ...times() })
      : undefined;
  const prepared = await steps.prepareTransfer({ ...places, tables, mode });
  const move = async (holes: boolean): Promise<Moved> => {
    const { lag, overlap } = pace;
    const planned = await steps.planIntervals({
      ...{ ...places, tables, window, lag, overlap, holes },
      replaces: replacedBatches(),
    });
    const chosen = tables
      .map((table, index) => ({ ...table, cursor: planned[index]! }))
      .filter(({ cursor }) => cursor.claims.length > 0);
    if (chosen.length === 0) return { rowsProcessed: 0, rowsRejected: 0 };
    return moveTables({ ...prepared, places, tables: chosen, parallel, mode, allowRejected });
  };
  const counts = await untilNotOvertaken(move);
  await steps.cleanStaging({ staging, own: cleanup === 'onSuccess' });
  return counts;
}

function times(): { started: Date; scheduled: Date | undefined } {
  const { startTime, searchAttributes, memo } = workflowInfo();
  const [scheduled] = (searchAttributes.TemporalScheduledStartTime ?? []) as Date[];
  const replayed = replayMark(memo);
  return { started: replayed ? new Date(replayed.startTime) : startTime, scheduled };
}

/** Who was overtaken leaves the holes to the others: runs that fill the same ones would go on overtaking each other. */
async function untilNotOvertaken(move: (holes: boolean) => Promise<Moved>): Promise<Moved> {
  for (let plan = 1; ; plan++) {
    try {
      return await move(plan === 1);
    } catch (error) {
      if (failureType(error) !== 'Overtaken' || plan === PLANS) throw error;
    }
  }
}
