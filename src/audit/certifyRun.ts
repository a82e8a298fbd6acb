import type { PipelineRun } from '../domain/model.js';
import { FAILED_STATUSES } from '../domain/model.js';
import type { RunHistory } from './history.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { RunKey, TemporalReader } from './temporalReader.js';

/** Closes and certifies a run by its history. False when the run goes on, or the store takes nothing now. */
export async function certifyRun(
  temporal: TemporalReader,
  recorder: Recorder,
  run: RunKey,
): Promise<boolean> {
  const { store } = recorder;
  // What is not in the store yet would be taken for lost.
  if (!store) return false;
  const history = await temporal.history(run);
  if (!history.end) return false;
  const { baseRunID } = history;
  if (baseRunID !== null) {
    const [known] = await store.transaction((tx) => tx.findRuns([baseRunID]));
    if (!known) await certifyBase(temporal, recorder, { ...run, RunID: baseRunID });
  }
  report(recorder, run, history, await recorder.settle(history));
  if (history.end.byReset) await openSuccessor(temporal, recorder, run);
  return true;
}

function report(
  { options: { logger } }: Recorder,
  { WorkflowID }: RunKey,
  { end }: RunHistory,
  run: PipelineRun | undefined,
): void {
  // Another worker has read the same history.
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
async function certifyBase(temporal: TemporalReader, recorder: Recorder, base: RunKey): Promise<void> {
  try {
    await certifyRun(temporal, recorder, base);
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
