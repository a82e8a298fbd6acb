/** Whether a server has work that the demo's worker, which has the sample alone, would take and fail. */
import { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import { BadInput } from '../domain/errors.js';
import type { TemporalPlace } from './connect.js';
import { DEMO_PREFIX } from './demoRuns.js';

const OTHERS = `ExecutionStatus = 'Running' AND WorkflowId NOT STARTS_WITH '${DEMO_PREFIX}'`;

/** Without connections and modules of the user's, all that runs here is the sample's. */
export async function refuseIfOthersWait(
  { connections, worker }: Config,
  { connection, namespace }: TemporalPlace,
  folder: string,
): Promise<void> {
  const isSampleAlone = Object.keys(connections).length === 0 && !(worker.workflowsPath ?? worker.activities);
  if (isSampleAlone) return;
  const { schedule, workflow } = new Client({ connection, namespace });
  const { count } = await workflow.count(OTHERS);
  const schedules: string[] = [];
  for await (const { scheduleId } of schedule.list()) schedules.push(scheduleId);
  if (count === 0 && schedules.length === 0) return;
  const names = schedules.length === 0 ? '' : ` (${schedules.join(', ')})`;
  throw new BadInput(
    `The Temporal server of ${folder} has work of your own, which the demo's worker can't do: open runs: ${count}, Schedules: ${schedules.length}${names}. Start the demo in another folder, or with BATCHTRAIL_AUDIT_URL=sqlite:./demo in its environment and in that of the commands it prints`,
  );
}
