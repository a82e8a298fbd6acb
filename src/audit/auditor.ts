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
  #lastTurn: Promise<void> = Promise.resolve();
  readonly #closers = new Map<string, { closer: Closer; clients: Client[] }>();

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
  workerStarts(client: Client, namespace: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.open();
      const known = this.#closers.get(namespace);
      if (known) {
        known.clients.push(client);
        return;
      }
      const temporal = new TemporalReader(client, namespace);
      const closer = new Closer(temporal, this.recorder.store, this.recorder, this.logger());
      this.#closers.set(namespace, { closer, clients: [client] });
      closer.start();
    });
  }

  /** Called for each worker when it has finished its work; the last one closes the store. */
  workerStopped(client: Client, namespace: string): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#closers.get(namespace);
      if (!known) return;
      known.clients = known.clients.filter((other) => other !== client);
      const [other] = known.clients;
      if (other) {
        // The connection of the worker that stopped may be closed next.
        known.closer.temporal.client = other;
        return;
      }
      await known.closer.stop();
      this.#closers.delete(namespace);
      if (this.#closers.size === 0) await this.close();
    });
  }

  /** Starts and stops wait for each other, so that no worker gets a store that is being closed. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#lastTurn.then(work);
    this.#lastTurn = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    const recorder = this.#recorder;
    this.#recorder = undefined;
    this.#opening = undefined;
    await recorder?.shutdown();
  }
}
