import { inGroups } from './inGroups.js';
import { certifyRun } from './certifyRun.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { RunKey, TemporalReader } from './temporalReader.js';

const IDS_AT_ONCE = 200;
const HISTORIES_AT_ONCE = 4;

export interface Certified {
  readonly certified: number;
  /** Temporal has erased their histories. */
  readonly gone: number;
}

/** Closes and certifies every run that has ended, of those that have a row: what a worker does by and by. */
export async function certifyDue(temporal: TemporalReader, recorder: Recorder): Promise<Certified> {
  const uncertified = (await recorder.store?.uncertifiedRuns(temporal.namespace)) ?? [];
  const due: RunKey[] = uncertified.filter(({ EndTime }) => EndTime !== null);
  const running = uncertified.filter(({ EndTime }) => EndTime === null);
  for (const group of inGroups(running, IDS_AT_ONCE)) due.push(...(await temporal.ended(group)));
  const total = { certified: 0, gone: 0 };
  for (const group of inGroups(due, HISTORIES_AT_ONCE)) {
    await Promise.all(
      group.map(async (run) => {
        try {
          if (await certifyRun(temporal, recorder, run)) total.certified++;
        } catch (error) {
          if (!isNotFound(error)) throw error;
          total.gone++;
        }
      }),
    );
  }
  return total;
}
