/**
 * Wires the audit into a worker:
 * - the workflow interceptors into its bundle, and a check that a prebuilt bundle has them;
 * - the sinks that those call, and the activity interceptor;
 * - the ready-made activities, when connections are configured;
 * - the audit store opened before the worker is made, and closed after its run, when its last batch is.
 */
import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import type {
  ActivityInterceptorsFactory,
  BundleOptions,
  BundlerPlugin,
  ReplayWorkerOptions,
  State,
  Worker,
  WorkerOptions,
  WorkerPlugin,
  WorkflowBundleOption,
} from '@temporalio/worker';
import { createActivities } from './activities/index.js';
import { Auditor } from './audit/auditor.js';
import { Gate } from './audit/gate.js';
import { OutsideSlots } from './audit/outsideSlot.js';
import { withGuardedSlots } from './audit/slots.js';
import { checkOptions } from './config.js';
import type { BatchtrailOptions } from './config.js';
import { BadConfig } from './domain/errors.js';
import type { AuditStore } from './engines/contract.js';
import { engineFor, openOutbox } from './engines/index.js';
import { auditActivities } from './interceptors/activity.js';
import { BUNDLE_MARKER } from './interceptors/marker.js';
import { SINK } from './interceptors/protocol.js';
import { auditSinks } from './interceptors/sinks.js';
import { moduleFile } from './moduleFile.js';

/** A worker does not tell anybody that it is told to shut down. */
const LOOK_FOR_END_MS = 250;
/** A step hears of its cancellation with its next heartbeat, and the SDK would hold those back for most of a minute. */
const HEARTBEAT_INTERVAL = '5s';
const ENDING: readonly State[] = ['STOPPING', 'DRAINING', 'DRAINED', 'STOPPED', 'FAILED'];

export class BatchtrailPlugin implements WorkerPlugin, BundlerPlugin {
  readonly name = 'batchtrail';
  /**
   * Audits the activities of a `MockActivityEnvironment`, which knows no plugins: `{ interceptors: [plugin.activityInterceptor] }`.
   * Workers get it by themselves.
   */
  readonly activityInterceptor: ActivityInterceptorsFactory;

  readonly #gate = new Gate();
  readonly #auditor: Auditor;
  readonly #outsideSlots = new OutsideSlots();
  readonly #sinks: ReturnType<typeof auditSinks>;
  readonly #activities: object;
  readonly #running = new WeakSet<Worker>();
  /** Connections that were made here and not by the user. */
  readonly #ownConnections = new WeakSet<object>();

  constructor(options: BatchtrailOptions) {
    const { audit, connections } = checkOptions(options, 'BatchtrailPlugin');
    const openStore = async (): Promise<AuditStore> => {
      const store = await (await engineFor(audit.url, 'audit.url')).openAuditStore(audit);
      try {
        await store.migrate();
      } catch (error) {
        // It is opened again and again while the database is down.
        await store.close();
        throw error;
      }
      return store;
    };
    this.#auditor = new Auditor(
      { openStore, openOutbox: () => openOutbox(audit.outbox), strict: audit.strict ?? false },
      this.#gate,
      () => Runtime.instance().logger,
      audit.inputs,
    );
    this.#sinks = auditSinks(this.#auditor);
    this.#activities = connections
      ? createActivities(connections, {
          openReader: async () => (await engineFor(audit.url, 'audit.url')).openAuditReader(audit),
          store: () => this.#auditor.recorder.store,
        })
      : {};
    this.activityInterceptor = auditActivities(this.#auditor, this.#outsideSlots);
  }

  configureBundler(options: BundleOptions): BundleOptions {
    const own = moduleFile(new URL('./interceptors/workflow.js', import.meta.url));
    const modules = [...(options.workflowInterceptorModules ?? []), own];
    return { ...options, workflowInterceptorModules: modules };
  }

  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    const present = options.sinks?.[SINK];
    // The connection has this plugin too, and the worker asks again.
    if (present === this.#sinks[SINK]) return options;
    if (present) {
      throw new BadConfig(
        `The worker's sinks already have one named ${JSON.stringify(SINK)}: a second BatchtrailPlugin, or a sink of your own. Keep one plugin, or rename the sink`,
      );
    }
    await checkBundle(options.workflowBundle);
    await this.#auditor.workerIsMade();
    const { interceptors } = options;
    return {
      maxHeartbeatThrottleInterval: HEARTBEAT_INTERVAL,
      ...this.#guarded(options),
      connection: options.connection ?? (await this.#connect()),
      sinks: { ...options.sinks, ...this.#sinks },
      interceptors: {
        ...interceptors,
        activity: [this.activityInterceptor, ...(interceptors?.activity ?? [])],
      },
      ...this.#withReadyMade(options.activities),
    };
  }

  /** While the audit store is down, the worker takes no new batches. */
  #guarded(options: WorkerOptions): WorkerOptions {
    const guarded = withGuardedSlots(options, this.#gate);
    if (guarded) return guarded;
    Runtime.instance().logger.warn(
      'The tuner has resource-based slots for workflow tasks, which the plugin can not guard: while the audit store is down, new batches are taken until all slots wait. Give the tuner a fixed-size or custom supplier for workflow tasks',
    );
    return options;
  }

  configureReplayWorker(options: ReplayWorkerOptions): ReplayWorkerOptions {
    // A replay worker calls none of them, but logs an error about each that is not there.
    return { ...options, sinks: { ...options.sinks, ...this.#sinks } };
  }

  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    if (this.#running.has(worker) || !worker.client) return next(worker);
    this.#running.add(worker);
    const { connection } = worker.client;
    // Another one where its connection was replaced.
    const clientOf = (): Client => worker.client!;
    const place = worker.options;
    await this.#auditor.workerStarts(clientOf, place);
    // Not before: one that could not start has no end at which it would be forgotten.
    this.#outsideSlots.workerStarts(worker);
    const watch = setInterval(() => {
      if (ENDING.includes(worker.getState())) this.#auditor.workerStops(place);
    }, LOOK_FOR_END_MS);
    try {
      await next(worker);
    } finally {
      clearInterval(watch);
      // Between two looks it may have come to its end.
      this.#auditor.workerStops(place);
      await this.#outsideSlots.workerStopped(worker);
      await this.#auditor.workerStopped(clientOf, place);
      if (this.#ownConnections.has(connection)) await connection.close();
    }
  }

  /** As Worker.create does where no connection is given; but it would close it before the last batches are closed. */
  async #connect(): Promise<NativeConnection> {
    try {
      const connection = await NativeConnection.connect();
      this.#ownConnections.add(connection);
      return connection;
    } catch (error) {
      await this.#auditor.workerFailed();
      throw error;
    }
  }

  /** Closes the audit store, where no worker's end does that: after a `MockActivityEnvironment`, or a worker that never ran. */
  close(): Promise<void> {
    return this.#auditor.close();
  }

  #withReadyMade(own: object | undefined): Pick<WorkerOptions, 'activities'> {
    const clash = Object.keys(this.#activities).find((name) => own && name in own);
    if (clash) {
      throw new BadConfig(
        `The activity name ${clash} is taken by batchtrail's ready-made pipelines. Rename yours, or leave "connections" out of the plugin's options`,
      );
    }
    const all = { ...own, ...this.#activities };
    return Object.keys(all).length > 0 ? { activities: all } : {};
  }
}

/** A bundle built without the plugin would run unaudited, without a word. */
async function checkBundle(bundle: WorkflowBundleOption | undefined): Promise<void> {
  if (!bundle) return;
  const code = 'code' in bundle ? bundle.code : await readFile(bundle.codePath, 'utf8');
  if (!code.includes(BUNDLE_MARKER)) {
    throw new BadConfig(
      'workflowBundle was built without the BatchtrailPlugin, so its workflows would not be audited. Build it with bundleWorkflowCode({ workflowsPath, plugins: [plugin] })',
    );
  }
}
