/** Injects what the plan says. Each fault ends by itself. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresAudit, SqliteAudit } from './auditDatabase.js';
import type { Fault, FaultKind } from './plan.js';
import type { System } from './system.js';

type Undo = () => void | Promise<void>;
type Injection = (system: System, fault: Fault) => Promise<Undo>;

const MOST_BYTES = 2_000;
const MOST_DELAY_MS = 400;

const INJECTIONS: Record<FaultKind, Injection> = {
  'worker killed': async ({ seats }, { worker }) => {
    const seat = seats[worker]!;
    await seat.kill();
    return () => seat.start();
  },
  'Temporal server stopped': async (system) => {
    await system.stopServer('stopped');
    return () => system.restartServer();
  },
  'Temporal server killed': async (system) => {
    await system.stopServer('killed');
    return () => system.restartServer();
  },
  'SQLite file locked': async ({ database }) => (database as SqliteAudit).lock(),
  'PostgreSQL stopped at once': async ({ database }) => {
    const postgres = database as PostgresAudit;
    await postgres.stopAtOnce();
    return () => postgres.restart();
  },
  'PostgreSQL slow': async ({ database }, { degree }) => {
    const { proxy } = database as PostgresAudit;
    proxy.delayMs = Math.ceil(degree * MOST_DELAY_MS);
    return () => void (proxy.delayMs = 0);
  },
  'connection cut within a statement': async ({ database }, { degree }) =>
    (database as PostgresAudit).proxy.armCuts({ afterBytes: Math.ceil(degree * MOST_BYTES) }),
  'connection cut before the answer to a commit': async ({ database }) =>
    (database as PostgresAudit).proxy.armCuts('before the answer to a commit'),
  'outbox full': async ({ seats }, { worker }) => {
    const seat = seats[worker]!;
    seat.send('fillOutbox');
    return () => seat.send('drainOutbox');
  },
};

/** Returns when all faults are over. Answers how many there were of each kind. */
export async function injectFaults(system: System, plan: readonly Fault[]): Promise<Map<FaultKind, number>> {
  const beginning = Date.now();
  const injected = new Map<FaultKind, number>();
  /** A fault that takes long to end may reach into the next one of its kind, which then waits. */
  const lastOf = new Map<string, Promise<void>>();
  const all = plan.map(async (fault) => {
    await delay(fault.at - (Date.now() - beginning));
    const before = lastOf.get(fault.thing);
    const own = (async () => {
      await before;
      system.report(
        `${clock(beginning)} ${fault.kind}${fault.thing.startsWith('worker') ? `: ${fault.thing}` : ''}`,
      );
      const undo = await INJECTIONS[fault.kind](system, fault);
      injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
      await delay(fault.lasts);
      await undo();
    })();
    lastOf.set(fault.thing, own);
    await own;
  });
  await Promise.all(all);
  return injected;
}

function clock(beginning: number): string {
  return `${((Date.now() - beginning) / 1_000).toFixed(1).padStart(6)} s`;
}
