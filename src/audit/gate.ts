/** Whether new batches may begin: closed while the audit store takes no changes, and until it has done so once. */
export class Gate {
  #waiting: Array<() => void> = [];
  #isOpen = false;
  #hasBeenOpen = false;

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get hasBeenOpen(): boolean {
    return this.#hasBeenOpen;
  }

  /** Resolves at once while the gate is open. */
  opened(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  open(): void {
    this.#isOpen = true;
    this.#hasBeenOpen = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  close(): void {
    this.#isOpen = false;
  }
}
