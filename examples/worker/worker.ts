/** Run it after `npm run build`, with a Temporal server at localhost:7233: `node --import jiti/register examples/worker/worker.ts` */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { BatchtrailPlugin } from 'batchtrail';
import * as activities from './activities.js';

const worker = await Worker.create({
  connection: await NativeConnection.connect(),
  taskQueue: 'customers',
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
  activities,
  plugins: [new BatchtrailPlugin({ audit: { url: 'sqlite:./.batchtrail' } })],
});
await worker.run();
