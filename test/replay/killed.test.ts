/** A worker is killed in the middle of a bulk of replays, and another one takes over. */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayBatchesInput, ReplayProgress } from '../../src/domain/replay.js';
import { PROGRESS_QUERY } from '../../src/domain/replay.js';
import { WorkerProcess } from '../transfer/workerProcess.js';
import { Rig } from './rig.js';

const { PENDING_ACTIVITY_STATE_STARTED } = temporal.api.enums.v1.PendingActivityState;

/** Its own worker has the batches, and lives on. */
const rig = new Rig();
/** Of the bulk, and of the replays that it starts. */
const bulkQueue = `bulk-${randomUUID()}`;
let worker: WorkerProcess;

beforeAll(async () => {
  await rig.open();
  worker = await WorkerProcess.create(rig.folder, {
    ...{ taskQueue: bulkQueue, auditUrl: rig.audit.url, connections: {} },
  });
  await worker.start();
});
afterAll(async () => {
  await worker?.kill();
  await rig.close();
});

it('each batch of the bulk is replayed once, and repaired, and has its outcome', async () => {
  const failed: Array<BatchRecord & { file: string }> = [];
  while (failed.length < 6) failed.push(await rig.failedBatch());
  rig.reset();
  // The replays of the first two come to their end, the others have to wait.
  rig.done.push(...failed.slice(2).map(({ file }) => `read ${file}`));
  const letGo = rig.hold();

  const bulk = await rig.client.workflow.start<(input: ReplayBatchesInput) => Promise<ReplayProgress>>(
    'replayBatches',
    { taskQueue: bulkQueue, workflowId: `bulk-${randomUUID()}`, args: [{ parallel: 2 }] },
  );
  await expect.poll(async () => (await bulk.query<ReplayProgress>(PROGRESS_QUERY)).outcomes).toHaveLength(2);
  const underWay = failed
    .slice(2, 4)
    .map(({ batch }) => rig.client.workflow.getHandle(`replay-${batch.LogID}`));
  for (const replay of underWay) await expect.poll(() => awaiting(replay)).toBeDefined();
  await worker.kill();
  for (const replay of underWay) await giveUp(replay);
  letGo();
  await worker.start();

  const { total, outcomes } = await bulk.result();
  expect(total).toBe(failed.length);
  expect(outcomes).toHaveLength(failed.length);
  for (const { batch, file } of failed) {
    const { LogID } = batch;
    await expect.poll(async () => (await rig.read({ batch })).batch.Resolution).toBe('replayed');
    const { ResolvedByLogID } = (await rig.read({ batch })).batch;
    const replays = (await rig.reader.batches({})).filter(({ ReplayOfLogID }) => ReplayOfLogID === LogID);
    expect(replays).toMatchObject([{ LogID: ResolvedByLogID, Status: 'Success' }]);
    expect(outcomes.filter(({ batchId }) => batchId === LogID)).toMatchObject([
      { status: 'Success', runId: replays[0]!.RunID },
    ]);
    expect(rig.done.filter((name) => name === `load ${file}`)).toHaveLength(1);
  }
  expect((await rig.batchOf(bulk.firstExecutionRunId)).batch.Status).toBe('Success');
});

/** The activity that waits for the end of a replayed batch, once a worker has it. */
async function awaiting(replay: WorkflowHandle): Promise<string | undefined> {
  const { raw } = await replay.describe();
  const activity = raw.pendingActivities?.find(
    ({ activityType, state }) =>
      activityType?.name === 'awaitReplay' && state === PENDING_ACTIVITY_STATE_STARTED,
  );
  return activity?.activityId ?? undefined;
}

/** Temporal misses the heartbeats of a killed worker after a minute, which the test does not wait for. */
async function giveUp(replay: WorkflowHandle): Promise<void> {
  const { workflowId } = replay;
  const activityId = (await awaiting(replay))!;
  await rig.client.activity.fail({ workflowId, activityId }, new Error('the worker is gone'));
}
