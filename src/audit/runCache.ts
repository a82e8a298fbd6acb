const CAPACITY = 10_000;

/**
 * Remembers what was found out about the runs that were asked for last, and asks once when several ask at the same time.
 * A run that goes on is asked for by each of its steps, so it stays, however many others come meanwhile.
 */
export class RunCache<T> {
  /** Those that were asked for last come last. */
  readonly #known = new Map<string, Promise<T>>();

  constructor(readonly capacity = CAPACITY) {}

  get(runID: string, find: () => Promise<T>): Promise<T> {
    const found = this.#known.get(runID) ?? this.#find(runID, find);
    this.#known.delete(runID);
    this.#known.set(runID, found);
    if (this.#known.size > this.capacity) this.forget(this.#known.keys().next().value!);
    return found;
  }

  #find(runID: string, find: () => Promise<T>): Promise<T> {
    const found = find();
    found.catch(() => {
      // Somebody may have asked anew meanwhile.
      if (this.#known.get(runID) === found) this.forget(runID);
    });
    return found;
  }

  forget(runID: string): void {
    this.#known.delete(runID);
  }
}
