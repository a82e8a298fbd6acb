/**
 * All orders once, and every 30 minutes what is new. Run it with a worker of `batchtrail.yaml` and a Temporal server at
 * localhost:7233: `node --import jiti/register examples/transfers/orders.ts`
 */
import { Client, Connection, ScheduleOverlapPolicy } from '@temporalio/client';
import type { historicalTransfer, incrementalTransfer } from 'batchtrail/workflows';

const places = { source: 'shop', staging: 'staging', target: 'dwh' };
const tables = [{ from: 'public.orders' }, { from: 'public.order_lines' }];

const everything: Parameters<typeof historicalTransfer>[0] = { ...places, tables, mode: 'replace' };
const whatIsNew: Parameters<typeof incrementalTransfer>[0] = {
  ...{ ...places, tables, mode: 'merge', cursor: 'updated_at', window: '30m' },
  // Longer than any transaction of the shop: a row has its time before others can see it.
  lag: '2m',
  overlap: '10m',
};

const client = new Client({ connection: await Connection.connect() });
const startedAt = new Date();
await client.workflow.execute('historicalTransfer', {
  taskQueue: 'etl',
  workflowId: 'orders-history',
  args: [everything],
});
await client.schedule.create({
  scheduleId: 'orders',
  spec: { intervals: [{ every: '30m' }] },
  action: {
    type: 'startWorkflow',
    workflowType: 'incrementalTransfer',
    workflowId: 'orders',
    taskQueue: 'etl',
    args: [whatIsNew],
  },
  // What was changed since the history was read; merging finds the rows of the first window twice.
  state: { backfill: [{ start: startedAt, end: new Date(), overlap: ScheduleOverlapPolicy.BUFFER_ALL }] },
});
await client.connection.close();
