/** The worker that `worker`, `dev` and `demo` run: the configured workflows and activities beside the ready-made ones. */
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogLevel } from '@temporalio/worker';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { Config } from '../config.js';
import { BadConfig } from '../domain/errors.js';
import { BatchtrailPlugin } from '../plugin.js';
import { workflowOptions } from './bundleWorkflows.js';
import type { TemporalPlace } from './connect.js';
import { loadDataConverter, loadUserActivities } from './userModules.js';

export interface RuntimeSettings {
  /** What is logged, and everything more severe. */
  readonly level: LogLevel;
  /** Whether SIGINT and SIGTERM shut the worker down in its own time, or end the process at once. */
  readonly gracefulShutdown: boolean;
}

/** Must be called before anything else of the Temporal SDK is used. */
export function installRuntime({ level, gracefulShutdown }: RuntimeSettings): void {
  const shown = new DefaultLogger(level);
  const logger = new DefaultLogger(level, ({ level, message, meta }) => {
    // What the worker itself says at this level is about bundles and states; people's own lines are about their work.
    if (level !== 'INFO' || meta?.sdkComponent !== 'worker') shown.log(level, message, meta);
  });
  Runtime.install({ logger, ...(gracefulShutdown ? {} : { shutdownSignals: [] }) });
}

export interface RunningWorker {
  /** Settles when the worker has ended: after `stop`, after a signal, or by a failure. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Creates the worker and waits until it polls. */
export async function startEtlWorker(config: Config, place: TemporalPlace): Promise<RunningWorker> {
  const { taskQueue, workflowsPath, activities, dataConverter } = config.worker;
  mustExist('worker.workflowsPath', workflowsPath);
  mustExist('worker.activities', activities);
  const worker = await Worker.create({
    connection: place.connection,
    namespace: place.namespace,
    taskQueue,
    ...workflowOptions(workflowsPath),
    activities: await loadUserActivities(activities),
    ...(await loadDataConverter(dataConverter)),
    plugins: [new BatchtrailPlugin({ audit: config.audit, connections: config.connections })],
  });
  const ended = worker.run();
  // The audit store is opened before the worker polls.
  while (worker.getState() === 'INITIALIZED') await Promise.race([ended, delay(20)]);
  return {
    ended,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
    },
  };
}

function mustExist(key: string, file: string | undefined): void {
  if (file !== undefined && !statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new BadConfig(`${key}: there is no file ${file}`);
  }
}
