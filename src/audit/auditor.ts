/** The audit of one plugin: its store, its recorder, and a closer for each namespace it has workers in. */
import type { Client } from '@temporalio/client';
import type { Logger } from '@temporalio/common';
import { isoTime } from '../domain/time.js';
import { Closer } from './closer.js';
import type { Gate } from './gate.js';
import { Recorder } from './recorder.js';
import type { RecorderOptions } from './recorder.js';
import { TemporalReader } from './temporalReader.js';
import type { RunKey } from './temporalReader.js';

export interface WorkerPlace {
  readonly namespace: string;
  readonly taskQueue: string;
}

/** Tells the workers of one plugin apart. */
export function workerName({ namespace, taskQueue }: WorkerPlace): string {
  return `${namespace}/${taskQueue}`;
}

export class Auditor {
  #opening: Promise<void> | undefined;
  #recorder: Recorder | undefined;
  #lastTurn: Promise<void> = Promise.resolve();
  readonly #closers = new Map<string, { closer: Closer; clients: Client[] }>();

  constructor(
    readonly options: Omit<RecorderOptions, 'logger'>,
    readonly gate: Gate,
    readonly logger: () => Logger,
  ) {}

  /** Opens the store, so that a worker whose audit can't work fails before it takes any. */
  open(): Promise<void> {
    return (this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    }));
  }

  async #open(): Promise<void> {
    const recorder = new Recorder({ ...this.options, logger: this.logger() }, this.gate);
    await recorder.start();
    this.#recorder = recorder;
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
  workerStarts(client: Client, { namespace, taskQueue }: WorkerPlace): Promise<void> {
    return this.#inTurn(async () => {
      await this.open();
      this.recorder.arrive(workerName({ namespace, taskQueue }));
      const known = this.#closers.get(namespace);
      if (known) {
        known.clients.push(client);
        return;
      }
      const temporal = new TemporalReader(client, namespace);
      const closer = new Closer(temporal, this.recorder, this.logger());
      this.#closers.set(namespace, { closer, clients: [client] });
      closer.start();
    });
  }

  /** Called for each worker when it is told to shut down: it does not wait for a store that does not answer. */
  workerStops(place: WorkerPlace): void {
    this.#recorder?.leave(workerName(place));
  }

  /** Called for each worker when it has finished its work; the last one closes the store. */
  workerStopped(client: Client, { namespace }: WorkerPlace): Promise<void> {
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
