/** Gathers what is to be written at about the same time, so that it is written together: a commit is what costs. */

/** Its start and its end, if it takes no time. */
const BY_ONE_ACTIVITY = 2;
/** How long what nobody waits for may stay, for something to come that it can go with. */
const PATIENCE_MS = 25;

export class Gathering<T> {
  #items: T[] = [];
  #isUrgent = false;
  #isShared = false;
  #isOver = false;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly write: (items: readonly T[]) => Promise<void>,
    /** How long a group is held open for others to join, where several write at once. */
    readonly groupMs: () => number,
  ) {}

  /** Written at once, or together with what comes while another group is being written. */
  add(item: T): void {
    this.#items.push(item);
    this.#hurry();
  }

  /** Written with what is added next, or a little later by itself. */
  addPatiently(item: T): void {
    this.#items.push(item);
    this.#waitForOthers();
  }

  /** Before what is there already. */
  addFirst(items: readonly T[]): void {
    if (items.length === 0) return;
    this.#items = [...items, ...this.#items];
    this.#hurry();
  }

  /** Returns when all is written that is there or comes meanwhile. Nothing is held back from now on. */
  async drain(): Promise<void> {
    this.#isOver = true;
    if (this.#items.length > 0) this.#hurry();
    while (this.#writing) await this.#writing;
  }

  #hurry(): void {
    this.#isUrgent = true;
    this.#writing ??= this.#writeGroups();
  }

  #waitForOthers(): void {
    if (this.#isOver) this.#hurry();
    else if (!this.#writing) this.#timer ??= setTimeout(() => this.#hurry(), PATIENCE_MS);
  }

  async #writeGroups(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#isUrgent) {
      // Where several write at once, waiting a little for more of them saves commits; who writes alone never waits.
      await new Promise((resolve) =>
        this.#isShared ? setTimeout(resolve, this.groupMs()) : setImmediate(resolve),
      );
      const items = this.#items;
      this.#items = [];
      this.#isUrgent = false;
      this.#isShared = items.length > BY_ONE_ACTIVITY;
      await this.write(items);
    }
    this.#writing = undefined;
    if (this.#items.length > 0) this.#waitForOthers();
  }
}
