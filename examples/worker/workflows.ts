import { proxyActivities } from '@temporalio/workflow';
import { logStep } from 'batchtrail/workflow';
import type * as activities from './activities.js';

const { loadCustomers } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  retry: { maximumAttempts: 3 },
});

/** An ordinary workflow: the plugin in the worker is what audits it. */
export async function nightlyCustomers(): Promise<{ rowsProcessed: number }> {
  const { rowsProcessed } = await loadCustomers();
  // Optional: a line of your own in the batch's timeline.
  logStep('checked', { message: `${rowsProcessed} customers are in` });
  return { rowsProcessed };
}
