/** Runs that Temporal knows and the audit does not. */
import type { AuditStore } from '../engines/contract.js';
import { certifyRun } from './certifyRun.js';
import { inGroups } from './inGroups.js';
import { HISTORIES_AT_ONCE, Pace } from './pace.js';
import type { Recorder } from './recorder.js';
import { isNotFound } from './temporalReader.js';
import type { ClosedRun, TemporalReader } from './temporalReader.js';

export interface Looked {
  /** Closed runs that match. */
  readonly runs: number;
  /** Those that got a batch now. */
  readonly added: number;
  /** The latest end among them. */
  readonly latest: string | undefined;
}

/** Gives each closed run that matches the query, and has no row, its batch. */
export async function addMissing(
  temporal: TemporalReader,
  recorder: Recorder,
  query: string,
  onProgress: (added: number, missing: number) => void = () => undefined,
): Promise<Looked> {
  let runs = 0;
  let latest: string | undefined;
  const missing: ClosedRun[] = [];
  for await (const page of temporal.closed(query)) {
    runs += page.length;
    for (const { EndTime } of page) if (latest === undefined || EndTime > latest) latest = EndTime;
    missing.push(...(await withoutRow(needed(recorder), page)));
  }
  // A parent, and the run before, come first: a batch names them when it is made.
  missing.sort((a, b) => (a.StartTime < b.StartTime ? -1 : 1));
  let added = 0;
  const pace = new Pace();
  for (const group of inGroups(missing, HISTORIES_AT_ONCE)) {
    await pace.turn(group.length);
    needed(recorder);
    const done = await Promise.all(group.map((run) => certifyIfThere(temporal, recorder, run)));
    added += done.filter((isDone) => isDone).length;
    onProgress(added, missing.length);
  }
  return { runs, added, latest };
}

export async function withoutRow(
  store: Pick<AuditStore, 'transaction'>,
  runs: readonly ClosedRun[],
): Promise<ClosedRun[]> {
  if (runs.length === 0) return [];
  const known = await store.transaction((tx) => tx.findRuns(runs.map(({ RunID }) => RunID)));
  const ids = new Set(known.map(({ RunID }) => RunID));
  return runs.filter(({ RunID }) => !ids.has(RunID));
}

/** Retention may erase a run between the list and its history. */
async function certifyIfThere(
  temporal: TemporalReader,
  recorder: Recorder,
  run: ClosedRun,
): Promise<boolean> {
  try {
    return await certifyRun(temporal, recorder, run);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function needed({ store }: Recorder): AuditStore {
  if (!store) throw new Error('The audit store does not take changes now');
  return store;
}

/** A text in a visibility query. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
