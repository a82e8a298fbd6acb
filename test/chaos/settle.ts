/** Brings everything to an end after the faults: every run closed in Temporal, every row of the audit final. */
import type { Client } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import { isSettled, type AuditSource } from './checker/auditRows.js';
import type { RunName } from './checker/temporalRuns.js';
import { eventually, ifStillPossible, persistently } from './persistent.js';
import type { Workload } from './workload.js';

/** Then the driver terminates what still runs. */
const STRAGGLER_MS = 20_000;
const CLOSE_MS = 30_000;
/** A run that no worker saw is found by the next look, which comes a minute later when the one that looked was killed. */
const SETTLE_MS = 120_000;

/** Answers how many runs it had to terminate. */
export async function closeRuns(client: Client, workload: Workload): Promise<number> {
  const finished = workload.finish();
  const late = delay(STRAGGLER_MS, 'late', { ref: false });
  let terminated = 0;
  const nothingRuns = async (): Promise<boolean> => {
    const open = await persistently(() => openRuns(client));
    for (const { workflowId, runId } of open) {
      terminated++;
      await ifStillPossible(() => client.workflow.getHandle(workflowId, runId).terminate('by the driver'));
    }
    return open.length === 0;
  };
  if ((await Promise.race([finished, late])) === 'late') await eventually(nothingRuns, CLOSE_MS);
  await finished;
  // Children of terminated parents, and runs that a scenario left alone.
  await eventually(nothingRuns, CLOSE_MS);
  return terminated;
}

async function openRuns(client: Client): Promise<Array<{ workflowId: string; runId: string }>> {
  const open: Array<{ workflowId: string; runId: string }> = [];
  for await (const { workflowId, runId } of client.workflow.list({ query: `ExecutionStatus = 'Running'` })) {
    open.push({ workflowId, runId });
  }
  return open;
}

/** Answers whether every run got its row, and all rows became final, in time; which did not is for the checker to say. */
export function auditSettles(source: AuditSource, runs: readonly RunName[]): Promise<boolean> {
  return eventually(() => isSettled(source, runs), SETTLE_MS);
}
