/**
 * The audit of one plugin: its recorder, a closer for each namespace it has workers in, and a reconciler for each task
 * queue.
 */
import type { Client } from '@temporalio/client';
import type { Logger } from '@temporalio/common';
import type { InputPolicy } from '../domain/inputPolicy.js';
import { isoTime } from '../domain/time.js';
import { Closer } from './closer.js';
import type { DeliveryOptions } from './delivery.js';
import type { Gate } from './gate.js';
import { auditMetrics } from './metrics.js';
import { Reconciler } from './reconciler.js';
import { Recorder } from './recorder.js';
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

/** What goes on in one namespace while there are workers in it. */
interface Desk {
  readonly temporal: TemporalReader;
  readonly closer: Closer;
  readonly workers: Array<{ readonly clientOf: () => Client; readonly reconciler: Reconciler }>;
}

export class Auditor {
  #opening: Promise<void> | undefined;
  #recorder: Recorder | undefined;
  #lastTurn: Promise<void> = Promise.resolve();
  #stopObserving: Array<() => void> = [];
  readonly #desks = new Map<string, Desk>();

  constructor(
    readonly options: Omit<DeliveryOptions, 'logger'>,
    readonly gate: Gate,
    readonly logger: () => Logger,
    readonly inputs: InputPolicy = {},
  ) {}

  /** Opens the store, so that a worker whose audit can't work fails before it takes any. */
  open(): Promise<void> {
    return (this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    }));
  }

  /** Called before a worker is made: what it may take depends on whether the store answers. */
  workerIsMade(): Promise<void> {
    return this.#inTurn(() => this.open());
  }

  /** Called when it could not be made. */
  workerFailed(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#desks.size === 0) await this.close();
    });
  }

  async #open(): Promise<void> {
    const recorder = new Recorder({ ...this.options, logger: this.logger() }, this.gate);
    await recorder.start();
    this.#recorder = recorder;
    this.#stopObserving = [
      auditMetrics().observe(['outboxDepth', 'outboxAge'], async () => {
        const { waiting, oldest } = await recorder.waiting();
        return { outboxDepth: waiting, outboxAge: oldest === undefined ? 0 : secondsSince(oldest) };
      }),
      auditMetrics().observe(['openBatches'], async () => ({ openBatches: await this.#openBatches() })),
      auditMetrics().observe(['reconcilerLag'], () => ({ reconcilerLag: this.#reconcilerLag() })),
    ];
  }

  async #openBatches(): Promise<number | undefined> {
    const store = this.#recorder?.store;
    if (!store) return undefined;
    const counts = await Promise.all([...this.#desks.keys()].map((name) => store.countOpenRuns(name)));
    return counts.reduce((total, count) => total + count, 0);
  }

  /** The longest of all task queues that it is this process's turn to look at. */
  #reconcilerLag(): number {
    const looks = [...this.#desks.values()]
      .flatMap(({ workers }) => workers.map(({ reconciler }) => reconciler.lookedUpTo))
      .filter((look) => look !== undefined);
    return looks.length === 0 ? 0 : secondsSince(looks.sort()[0]!);
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
    this.#desks.get(namespace)?.closer.expectClose(run);
  }

  /** Called for each worker before it polls; `clientOf` is what tells it from others, too. */
  workerStarts(clientOf: () => Client, place: WorkerPlace): Promise<void> {
    return this.#inTurn(async () => {
      await this.open();
      this.recorder.arrive(workerName(place));
      const desk = this.#desks.get(place.namespace) ?? this.#openDesk(clientOf, place.namespace);
      const reconciler = new Reconciler(desk.temporal, this.recorder, place, this.logger());
      desk.workers.push({ clientOf, reconciler });
      reconciler.start();
    });
  }

  #openDesk(clientOf: () => Client, namespace: string): Desk {
    const temporal = new TemporalReader(clientOf, namespace, undefined, this.inputs);
    const closer = new Closer(temporal, this.recorder, this.logger());
    const desk: Desk = { temporal, closer, workers: [] };
    this.#desks.set(namespace, desk);
    closer.start();
    return desk;
  }

  /** Called for each worker when it is told to shut down: it does not wait for a store that does not answer. */
  workerStops(place: WorkerPlace): void {
    this.#recorder?.leave(workerName(place));
  }

  /** Called for each worker when it has finished its work; the last one closes the store. */
  workerStopped(clientOf: () => Client, { namespace }: WorkerPlace): Promise<void> {
    return this.#inTurn(async () => {
      const desk = this.#desks.get(namespace);
      const index = desk?.workers.findIndex((worker) => worker.clientOf === clientOf) ?? -1;
      if (!desk || index < 0) return;
      const [{ reconciler }] = desk.workers.splice(index, 1) as [Desk['workers'][number]];
      await reconciler.stop();
      const [other] = desk.workers;
      if (other) {
        // The connection of the worker that stopped may be closed next.
        desk.temporal.clientOf = other.clientOf;
        return;
      }
      await desk.closer.stop();
      this.#desks.delete(namespace);
      if (this.#desks.size === 0) await this.close();
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
    for (const stop of this.#stopObserving.splice(0)) stop();
    await recorder?.shutdown();
  }
}

function secondsSince(time: string): number {
  return (Date.now() - Date.parse(time)) / 1_000;
}
