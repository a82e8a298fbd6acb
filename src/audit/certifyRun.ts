import type { PipelineRun } from '../domain/model.js';
import { FAILED_STATUSES } from '../domain/model.js';
import type { RunHistory } from './history.js';
import { knownRuns } from './ledger/find.js';
import type { RateLimit } from './rateLimit.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { RunKey, TemporalReader } from './temporalReader.js';

/** Closes and certifies a run by its history. False when the run goes on, or the store takes nothing now. */
export async function certifyRun(
  temporal: TemporalReader,
  recorder: Recorder,
  run: RunKey,
): Promise<boolean> {
  // What is not in the store yet would be taken for lost.
  if (!recorder.store) return false;
  const history = await temporal.history(run);
  if (!history.end || !recorder.store) return false;
  const [settled] = await certifyAll(temporal, recorder, [history]);
  if (settled!.status === 'rejected') throw settled!.reason;
  return true;
}

export function readHistories(
  temporal: TemporalReader,
  runs: readonly RunKey[],
  rate: RateLimit,
  signal?: AbortSignal,
): Promise<Array<PromiseSettledResult<RunHistory>>> {
  return Promise.allSettled(
    runs.map(async (run) => {
      await rate.take(signal);
      return temporal.history(run);
    }),
  );
}

/**
 * Certifies runs that have ended, and keeps their order: a batch names its parent, and the run before, when it is made.
 * Answers in the order of the argument.
 */
export async function certifyAll(
  temporal: TemporalReader,
  recorder: Recorder,
  histories: readonly RunHistory[],
): Promise<Array<PromiseSettledResult<void>>> {
  const bases = await Promise.allSettled(
    histories.map((history) => certifyBaseOf(temporal, recorder, history)),
  );
  return Promise.allSettled(
    histories.map(async (history, index) => {
      const base = bases[index]!;
      if (base.status === 'rejected') throw base.reason;
      // All of them are with the recorder before the first one is written.
      report(recorder, history, await recorder.settle(history));
      if (history.end?.byReset) await openSuccessor(temporal, recorder, history.start);
    }),
  );
}

function report(
  { options: { logger } }: Recorder,
  { start: { WorkflowID }, end }: RunHistory,
  run: PipelineRun | undefined,
): void {
  // Another worker has read the same history, or only a late event was taken in.
  if (!run || !end) return;
  const { LogID, RunID, Status, GapCount } = run;
  const about = { LogID, WorkflowID, RunID, Status, GapCount };
  if (GapCount) logger.info('Events that no worker had written were added from history', about);
  if (FAILED_STATUSES.includes(end.status) && !end.byReset && !end.willRetry) {
    logger.warn('A batch failed', { ...about, error: end.error?.message });
  } else {
    logger.debug('A batch was certified', about);
  }
}

/** The steps that a reset kept belong to the run that made them. */
async function certifyBaseOf(
  temporal: TemporalReader,
  recorder: Recorder,
  { start: { WorkflowID }, baseRunID }: RunHistory,
): Promise<void> {
  if (baseRunID === null) return;
  const [known] = (await recorder.store?.transaction((tx) => knownRuns(tx, [baseRunID]))) ?? [];
  if (known) return;
  try {
    await certifyRun(temporal, recorder, { WorkflowID, RunID: baseRunID });
  } catch (error) {
    // Beyond retention: the reset run's own history tells of them.
    if (!isNotFound(error)) throw error;
  }
}

/** The run that a reset made may end before any worker sees it: its batch goes on there all the same. */
async function openSuccessor(temporal: TemporalReader, recorder: Recorder, run: RunKey): Promise<void> {
  const successor = await temporal.resetSuccessor(run);
  if (successor) await recorder.open(await temporal.start(successor));
}
