/** Runs that failed, and when each is worth another try: what costs a whole history must not be tried at every look. */

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** What fails for so long does so for good. Short, because the reconciler's window is held open so long. */
const HOPELESS_AFTER_MS = 600_000;

interface Failure {
  readonly since: number;
  readonly pauseMs: number;
  readonly until: number;
}

export class Backoff {
  readonly #failures = new Map<string, Failure>();

  constructor(readonly now: () => number = () => Date.now()) {}

  failed(runID: string): void {
    const now = this.now();
    const known = this.#failures.get(runID);
    const pauseMs = Math.min(known ? known.pauseMs * 2 : FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#failures.set(runID, { since: known?.since ?? now, pauseMs, until: now + pauseMs });
    // Another worker may have had more luck with the others.
    for (const [id, { until }] of this.#failures) {
      if (until < now - HOPELESS_AFTER_MS) this.#failures.delete(id);
    }
  }

  succeeded(runID: string): void {
    this.#failures.delete(runID);
  }

  /** Whether it is too early for another try. */
  isWaiting(runID: string): boolean {
    return (this.#failures.get(runID)?.until ?? 0) > this.now();
  }

  isHopeless(runID: string): boolean {
    const since = this.#failures.get(runID)?.since;
    return since !== undefined && this.now() - since > HOPELESS_AFTER_MS;
  }

  get size(): number {
    return this.#failures.size;
  }
}
