/**
 * Keeps a snapshot of the source open while other steps read it, and outside of its slot: where all slots were taken by
 * snapshots, nobody could read one.
 */
import { Context } from '@temporalio/activity';
import { batchStep } from '../audit/batchScope.js';
import { GoesOn } from '../audit/outsideSlot.js';
import { SnapshotLost } from '../domain/errors.js';
import type { SnapshotSignal, TransferActivities } from '../domain/transfer.js';
import { SNAPSHOT_SIGNAL } from '../domain/transfer.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { pause } from './pause.js';
import { withSnapshot } from './reading.js';
import { Turns } from './turns.js';

const KEEP_ALIVE_MS = 1_000;
/** So long the source has for the end of its transaction. */
const LEAVE_MS = 2_000;
/** A source has room for so many connections only, and the slots limit these no longer. */
const turns = new Turns(20);

type HoldStep = Parameters<TransferActivities['holdSnapshot']>[0];

export function holdSnapshot(connections: Connections, step: HoldStep): never {
  throw new GoesOn(async (signal) => {
    const heldMs = await turns.inTurn(signal, () => hold(connections, step, signal));
    // A cancellation tells that the snapshot is not needed any more.
    if ((signal.reason as Error).message !== 'WORKER_SHUTDOWN') return { heldMs: heldMs ?? 0 };
    throw new SnapshotLost('The worker that held the snapshot of the source has shut down');
  });
}

/** Until the signal ends. Answers how long that was. */
async function hold(
  connections: Connections,
  { source, extraction }: HoldStep,
  signal: AbortSignal,
): Promise<number> {
  const openedAt = Date.now();
  const place = { role: 'openSource', name: source, signal: later(signal) } as const;
  try {
    await withPlace(connections, place, (from) =>
      withSnapshot(from, undefined, async (snapshot) => {
        batchStep().rows({ source: from.label });
        await signalWorkflow({ extraction, snapshot: snapshot.id });
        while (await pause(KEEP_ALIVE_MS, signal)) await snapshot.keepAlive();
      }),
    );
  } catch (error) {
    // What is cut off fails, and nobody needs it any more.
    if (!signal.aborted) throw error;
  }
  return Date.now() - openedAt;
}

/** What is open ends in its own way when the signal does, and is cut off only if it has not by then. */
function later(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  const wait = (): void => void setTimeout(() => late.abort(signal.reason), LEAVE_MS).unref();
  signal.addEventListener('abort', wait, { once: true });
  return late.signal;
}

async function signalWorkflow(signal: SnapshotSignal): Promise<void> {
  const { client, info } = Context.current();
  const { workflowId, runId } = info.workflowExecution!;
  await client.workflow.getHandle(workflowId, runId).signal(SNAPSHOT_SIGNAL, signal);
}
