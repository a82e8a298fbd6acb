import type { UncertifiedRun } from '../engines/contract.js';
import { certifyAll, readHistories } from './certifyRun.js';
import { giveUpErased } from './erasedRun.js';
import type { RunHistory } from './history.js';
import { inGroups } from './inGroups.js';
import { HISTORIES_AT_ONCE, steadyRate } from './rateLimit.js';
import type { RateLimit } from './rateLimit.js';
import type { Recorder } from './recorder.js';
import { survey } from './survey.js';
import { isNotFound } from './temporalReader.js';
import type { TemporalReader } from './temporalReader.js';
import { uncertifiedPages } from './uncertified.js';

export interface Certified {
  readonly certified: number;
  /** Temporal has erased their histories. */
  readonly gone: number;
  /** Named in the log. */
  readonly failed: number;
}

/** Closes and certifies every run that has ended, of those that have a row: what a worker does by and by. */
export async function certifyDue(
  temporal: TemporalReader,
  recorder: Recorder,
  rate: RateLimit = steadyRate(),
): Promise<Certified> {
  const total = { certified: 0, gone: 0, failed: 0 };
  const { store } = recorder;
  if (!store) return total;
  const certify = async (runs: readonly UncertifiedRun[]): Promise<void> => {
    for (const group of inGroups(runs, HISTORIES_AT_ONCE)) {
      for (const outcome of await certifyGroup(temporal, recorder, group, rate)) total[outcome]++;
    }
  };
  for await (const page of uncertifiedPages(store, temporal.namespace, true)) await certify(page);
  for await (const page of uncertifiedPages(store, temporal.namespace, false)) {
    const ended = new Set((await temporal.ended(page)).map(({ RunID }) => RunID));
    await certify(page.filter(({ RunID }) => ended.has(RunID)));
  }
  total.gone += (await survey(temporal, recorder, rate)).erased;
  return total;
}

/** One that fails holds up no other. Throws when it is Temporal or the store that does not answer. */
async function certifyGroup(
  temporal: TemporalReader,
  recorder: Recorder,
  runs: readonly UncertifiedRun[],
  rate: RateLimit,
): Promise<Array<keyof Certified>> {
  const read = await readHistories(temporal, runs, rate);
  const histories = new Map<UncertifiedRun, RunHistory>();
  const errors = new Map<UncertifiedRun, unknown>();
  let gone = 0;
  for (const [index, run] of runs.entries()) {
    const one = read[index]!;
    if (one.status === 'fulfilled') {
      if (one.value.end) histories.set(run, one.value);
    } else if (isNotFound(one.reason)) {
      await giveUpErased(recorder, run);
      gone++;
    } else {
      errors.set(run, one.reason);
    }
  }
  const settled = await certifyAll(temporal, recorder, [...histories.values()]);
  [...histories.keys()].forEach((run, index) => {
    const one = settled[index]!;
    if (one.status === 'rejected') errors.set(run, one.reason);
  });
  if (errors.size > 0) await temporal.tryOut();
  for (const [{ LogID, WorkflowID, RunID }, error] of errors) {
    if (!recorder.store) throw error;
    recorder.options.logger.warn('Batchtrail could not close a batch by its history', {
      ...{ LogID, WorkflowID, RunID, error },
    });
  }
  const certified = settled.filter(({ status }) => status === 'fulfilled').length;
  return [
    ...Array<'certified'>(certified).fill('certified'),
    ...Array<'gone'>(gone).fill('gone'),
    ...Array<'failed'>(errors.size).fill('failed'),
  ];
}
