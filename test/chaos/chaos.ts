/** One chaos run on one store: workload, faults, settling, verdict. */
import { setTimeout as delay } from 'node:timers/promises';
import { check, type Evidence, type Verdict } from './checker/checker.js';
import type { Finding } from './checker/finding.js';
import { readTemporal } from './checker/temporalRuns.js';
import { injectFaults } from './faults.js';
import { planFaults, type FaultKind, type StoreKind } from './plan.js';
import { auditSettles, closeRuns } from './settle.js';
import { TASK_QUEUE, type System } from './system.js';
import { runOwnTools } from './verify.js';
import type { WorkerSeat } from './workerSeat.js';
import { startWorkload, type Workload } from './workload.js';

const FIRST_RUN_MS = 60_000;

export interface ChaosOptions {
  readonly store: StoreKind;
  readonly seed: number;
  /** How long faults are injected. */
  readonly ms: number;
  /** How many scenarios run at a time. */
  readonly atOnce: number;
}

export interface ChaosResult extends Verdict {
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Runs that did not end by themselves. */
  readonly terminated: number;
  /** What `batchtrail reconcile` and `batchtrail verify` said. */
  readonly ownTools: string[];
  /** What the verdict is founded on. */
  readonly evidence: Evidence;
}

export async function runChaos(system: System, options: ChaosOptions): Promise<ChaosResult> {
  const { client, database, seats, report } = system;
  const workload = startWorkload(client, options.seed, options.atOnce);
  await firstRun(workload, system);
  report('the first run is over, the faults begin');
  const plan = planFaults(options.seed, options.store, options.ms);
  const faults = await injectFaults(system, plan);
  report('all faults are over; waiting until every run is closed');
  const terminated = await closeRuns(client, workload);
  report('waiting until the audit is final');
  const isFinal = await auditSettles(database.source, await readTemporal(client, workload.started));
  report(isFinal ? 'the audit is final' : 'the audit did not become final in time');
  await system.stopWorkers();
  const evidence: Evidence = {
    client,
    source: database.source,
    journalFolder: system.journalFolder,
    started: workload.started,
    killed: seats.flatMap((seat) => seat.killed),
  };
  // Before the own tools, which would mend what the workers have left.
  const verdict = await check(evidence);
  const own = await runOwnTools({
    cwd: system.folder,
    auditUrl: database.url,
    address: system.address,
    taskQueue: TASK_QUEUE,
  });
  return {
    ...verdict,
    findings: [...verdict.findings, ...crashesOf(seats), ...own.findings],
    faults,
    terminated,
    ownTools: own.lines,
    evidence,
  };
}

/** Nothing that is broken here may end a worker. */
export function crashesOf(seats: ReadonlyArray<Pick<WorkerSeat, 'crashes'>>): Finding[] {
  return seats.flatMap(({ crashes }) =>
    crashes.map((what) => ({ rule: 'worker that ended by itself', what })),
  );
}

/** Workers that can't work from the beginning are no chaos. */
async function firstRun({ first }: Workload, { folder, seats }: System): Promise<void> {
  const tooLate = delay(FIRST_RUN_MS, 'too late', { ref: false });
  if ((await Promise.race([first, tooLate])) !== 'too late') return;
  const crashes = seats.flatMap((seat) => seat.crashes).join('; ') || 'none ended';
  throw new Error(
    `No run was over after ${FIRST_RUN_MS / 1_000} s. Workers: ${crashes}. Their logs: ${folder}`,
  );
}
