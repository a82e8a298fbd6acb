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
  await recorder.settle(history);
  if (history.end.byReset) await openSuccessor(temporal, recorder, run);
  return true;
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
