const CAPACITY = 10_000;

interface Question<T> {
  readonly answer: Promise<T>;
  found: T | undefined;
}

/**
 * Remembers what was found out about the runs that were asked for last, and asks once when several ask at the same time.
 * A run that goes on is asked for by each of its steps, so it stays, however many others come meanwhile.
 */
export class RunCache<T> {
  /** Those that were asked for last come last. */
  readonly #known = new Map<string, Question<T>>();

  constructor(readonly capacity = CAPACITY) {}

  get(runID: string, find: () => Promise<T>): Promise<T> {
    const question = this.#known.get(runID) ?? this.#ask(runID, find);
    this.#known.delete(runID);
    this.#known.set(runID, question);
    if (this.#known.size > this.capacity) this.forget(this.#known.keys().next().value!);
    return question.answer;
  }

  /** What is known by now; nobody is asked. */
  known(runID: string): T | undefined {
    return this.#known.get(runID)?.found;
  }

  #ask(runID: string, find: () => Promise<T>): Question<T> {
    const question: Question<T> = { answer: find(), found: undefined };
    question.answer.then(
      (found) => (question.found = found),
      () => {
        // Somebody may have asked anew meanwhile.
        if (this.#known.get(runID) === question) this.forget(runID);
      },
    );
    return question;
  }

  forget(runID: string): void {
    this.#known.delete(runID);
  }
}
