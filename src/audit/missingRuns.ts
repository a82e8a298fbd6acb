/** Runs that Temporal knows and the audit does not. */
import type { AuditStore } from '../engines/contract.js';
import { Backoff } from './backoff.js';
import { certifyAll, readHistories } from './certifyRun.js';
import type { RunHistory } from './history.js';
import { inGroups } from './inGroups.js';
import { knownRuns } from './ledger/find.js';
import { linksOf } from './ledger/openRuns.js';
import { HISTORIES_AT_ONCE, steadyRate } from './rateLimit.js';
import type { RateLimit } from './rateLimit.js';
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
  /** Those that have no batch yet because something failed, now or at the last look. */
  readonly failed: readonly ClosedRun[];
}

export interface LookOptions {
  readonly onProgress?: (added: number, missing: number) => void;
  readonly rate?: RateLimit;
  /** What failed at earlier looks. */
  readonly backoff?: Backoff;
  readonly signal?: AbortSignal;
}

/**
 * Gives each closed run that matches the query, and has no row, its batch. A run that can't be read, or that the store
 * refuses, is named in the log and holds up no other. Throws when it is Temporal or the store that does not answer.
 */
export async function addMissing(
  temporal: TemporalReader,
  recorder: Recorder,
  query: string,
  { onProgress, rate = steadyRate(), backoff = new Backoff(), signal }: LookOptions = {},
): Promise<Looked> {
  let runs = 0;
  let latest: string | undefined;
  const missing: ClosedRun[] = [];
  for await (const page of temporal.closed(query)) {
    signal?.throwIfAborted();
    runs += page.length;
    for (const { EndTime } of page) if (latest === undefined || EndTime > latest) latest = EndTime;
    missing.push(...(await withoutRow(needed(recorder), page)));
  }
  // A parent, and the run before, come first: a batch names them when it is made.
  missing.sort(byStart);
  const failed = new Map(
    missing.filter(({ RunID }) => backoff.isWaiting(RunID)).map((run) => [run.RunID, run]),
  );
  const group = new Adding(temporal, recorder, backoff, failed);
  let added = 0;
  const due = missing.filter(({ RunID }) => !failed.has(RunID));
  for (const some of inGroups(due, HISTORIES_AT_ONCE)) {
    signal?.throwIfAborted();
    added += await group.add(some, rate, signal);
    onProgress?.(added, missing.length);
  }
  return { runs, added, latest, failed: [...failed.values()] };
}

function byStart(a: ClosedRun, b: ClosedRun): number {
  return a.StartTime.localeCompare(b.StartTime) || a.EndTime.localeCompare(b.EndTime);
}

class Adding {
  constructor(
    readonly temporal: TemporalReader,
    readonly recorder: Recorder,
    readonly backoff: Backoff,
    readonly failed: Map<string, ClosedRun>,
  ) {}

  /** Answers how many got a batch. */
  async add(runs: readonly ClosedRun[], rate: RateLimit, signal?: AbortSignal): Promise<number> {
    needed(this.recorder);
    const read = await readHistories(this.temporal, runs, rate, signal);
    const histories = new Map<ClosedRun, RunHistory>();
    const errors = new Map<ClosedRun, unknown>();
    for (const [index, run] of runs.entries()) {
      const one = read[index]!;
      if (one.status === 'rejected') {
        // Retention may erase a run between the list and its history.
        if (!isNotFound(one.reason)) this.#fail(run, one.reason, errors);
      } else if (this.#mustWait(one.value)) {
        this.failed.set(run.RunID, run);
        this.backoff.failed(run.RunID);
      } else if (one.value.end) {
        histories.set(run, one.value);
      } else {
        this.#fail(run, new Error('Temporal says that it is closed, and its history has no end'), errors);
      }
    }
    needed(this.recorder);
    const settled = await certifyAll(this.temporal, this.recorder, [...histories.values()]);
    [...histories.keys()].forEach((run, index) => {
      const one = settled[index]!;
      if (one.status === 'rejected') this.#fail(run, one.reason, errors);
      else this.backoff.succeeded(run.RunID);
    });
    if (errors.size > 0) await this.#report(errors);
    return settled.filter(({ status }) => status === 'fulfilled').length;
  }

  /** Its batch would never name the one of a run that is to be tried again. */
  #mustWait({ start }: RunHistory): boolean {
    return linksOf(start).some(
      (link) => link !== null && this.failed.has(link) && !this.backoff.isHopeless(link),
    );
  }

  #fail(run: ClosedRun, error: unknown, errors: Map<ClosedRun, unknown>): void {
    this.failed.set(run.RunID, run);
    errors.set(run, error);
  }

  async #report(errors: ReadonlyMap<ClosedRun, unknown>): Promise<void> {
    // Where Temporal or the store does not answer at all, it is not the runs.
    needed(this.recorder);
    await this.temporal.tryOut();
    for (const [run, error] of errors) {
      const { WorkflowID, RunID } = run;
      this.backoff.failed(RunID);
      this.recorder.options.logger.warn('A run that no worker saw could not be given its batch yet', {
        WorkflowID,
        RunID,
        error,
      });
    }
  }
}

async function withoutRow(
  store: Pick<AuditStore, 'transaction'>,
  runs: readonly ClosedRun[],
): Promise<ClosedRun[]> {
  if (runs.length === 0) return [];
  const runIDs = runs.map(({ RunID }) => RunID);
  const known = await store.transaction((tx) => knownRuns(tx, runIDs));
  const ids = new Set(known.map(({ RunID }) => RunID));
  return runs.filter(({ RunID }) => !ids.has(RunID));
}

function needed({ store }: Recorder): AuditStore {
  if (!store) throw new Error('The audit store does not take changes now');
  return store;
}

/** A text in a visibility query. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
