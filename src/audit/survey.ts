/** Goes through all that is not certified, for what no look at the ends of runs shows. */
import { uncertifiedPages } from './uncertified.js';
import { giveUpErased } from './erasedRun.js';
import type { RateLimit } from './rateLimit.js';
import type { Recorder } from './recorder.js';
import type { RunKey, TemporalReader } from './temporalReader.js';

/** Visibility shows a new run a little later. A run that it has not shown for so long is asked for by its id. */
const UNSEEN_MS = 3_600_000;

export interface AgingRun extends RunKey {
  readonly LogID: number;
  readonly EndTime: string;
}

export interface Surveyed {
  /** Runs that ended before `agingBefore`. */
  readonly aging: number;
  readonly oldest: AgingRun | undefined;
  /** Runs that Temporal no longer knows: their rows say so now. */
  readonly erased: number;
}

export async function survey(
  temporal: TemporalReader,
  recorder: Recorder,
  rate: RateLimit,
  { agingBefore = '', signal }: { agingBefore?: string; signal?: AbortSignal } = {},
): Promise<Surveyed> {
  const { store } = recorder;
  let aging = 0;
  let erased = 0;
  let oldest: AgingRun | undefined;
  const note = (run: AgingRun): void => {
    if (run.EndTime >= agingBefore) return;
    aging++;
    if (!oldest || run.EndTime < oldest.EndTime) oldest = run;
  };
  if (!store) return { aging, oldest, erased };
  for await (const page of uncertifiedPages(store, temporal.namespace, true)) {
    for (const { LogID, WorkflowID, RunID, EndTime } of page)
      note({ LogID, WorkflowID, RunID, EndTime: EndTime! });
  }
  for await (const page of uncertifiedPages(store, temporal.namespace, false)) {
    await rate.take(signal);
    signal?.throwIfAborted();
    const shown = await temporal.shown(page);
    for (const { LogID, WorkflowID, RunID, StartTime } of page) {
      // A run whose history can't be read stays `Running` here; when it ended, only visibility tells.
      const EndTime = shown.get(RunID);
      if (EndTime !== undefined) note({ LogID, WorkflowID, RunID, EndTime });
      if (shown.has(RunID) || Date.now() - Date.parse(StartTime) < UNSEEN_MS) continue;
      await rate.take(signal);
      signal?.throwIfAborted();
      if (await temporal.knows({ WorkflowID, RunID })) continue;
      if (await giveUpErased(recorder, { WorkflowID, RunID })) erased++;
    }
  }
  return { aging, oldest, erased };
}
