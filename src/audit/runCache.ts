const CAPACITY = 10_000;

/** Remembers what was found out about the latest runs, and asks once when several ask at the same time. */
export class RunCache<T> {
  readonly #known = new Map<string, Promise<T>>();

  get(runID: string, find: () => Promise<T>): Promise<T> {
    const known = this.#known.get(runID);
    if (known) return known;
    const found = find();
    this.#known.set(runID, found);
    found.catch(() => this.forget(runID));
    if (this.#known.size > CAPACITY) this.forget(this.#known.keys().next().value!);
    return found;
  }

  forget(runID: string): void {
    this.#known.delete(runID);
  }
}
