/** So many may do something at once; the others wait for their turn, in the order in which they came. */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(readonly atOnce: number) {}

  /** Answers undefined when the signal ends before its turn has come. */
  async inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    if (!(await this.#take(signal))) return undefined;
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  async #take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#taken < this.atOnce) {
      this.#taken++;
      return true;
    }
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting.delete(take);
        resolve(false);
      };
      const take = (): void => {
        this.#waiting.delete(take);
        signal.removeEventListener('abort', leave);
        resolve(true);
      };
      this.#waiting.add(take);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (next) next();
    else this.#taken--;
  }
}
