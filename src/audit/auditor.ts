/** The audit of one plugin: its store, its recorder, and a closer for each namespace it has workers in. */
import type { Client } from '@temporalio/client';
import type { Logger } from '@temporalio/common';
import type { AuditStore } from '../engines/contract.js';
import { isoTime } from '../domain/time.js';
import { Closer } from './closer.js';
import { Recorder } from './recorder.js';
import { TemporalReader } from './temporalReader.js';
import type { RunKey } from './temporalReader.js';

export class Auditor {
  #opening: Promise<void> | undefined;
  #recorder: Recorder | undefined;
  readonly #closers = new Map<string, { closer: Closer; workers: number }>();

  constructor(
    readonly openStore: () => Promise<AuditStore>,
    readonly logger: () => Logger,
  ) {}

  /** Opens the store, so that a worker without an audit fails before it takes any work. */
  open(): Promise<void> {
    return (this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    }));
  }

  async #open(): Promise<void> {
    const store = await this.openStore();
    await store.migrate();
    this.#recorder = new Recorder(store, this.logger());
  }

  get recorder(): Recorder {
    if (!this.#recorder) {
      throw new Error(
        'The audit store is not open: run the worker by worker.run() or worker.runUntil(), with the plugin in its options',
      );
    }
    return this.#recorder;
  }

  now(): string {
    return isoTime(Date.now());
  }

  expectClose(namespace: string, run: RunKey): void {
    this.#closers.get(namespace)?.closer.expectClose(run);
  }

  /** Called for each worker before it polls. */
  async workerStarts(client: Client, namespace: string): Promise<void> {
    await this.open();
    const known = this.#closers.get(namespace);
    if (known) {
      known.workers++;
      return;
    }
    const closer = new Closer(
      new TemporalReader(client, namespace),
      this.recorder.store,
      this.recorder,
      this.logger(),
    );
    this.#closers.set(namespace, { closer, workers: 1 });
    closer.start();
  }

  /** Called for each worker when it has finished its work; the last one closes the store. */
  async workerStopped(namespace: string): Promise<void> {
    const known = this.#closers.get(namespace);
    if (!known || --known.workers > 0) return;
    await known.closer.stop();
    this.#closers.delete(namespace);
    if (this.#closers.size === 0) await this.close();
  }

  async close(): Promise<void> {
    const recorder = this.#recorder;
    this.#recorder = undefined;
    this.#opening = undefined;
    await recorder?.close();
  }
}
