/** A replay that could not be begun is one outcome among the others, and says why. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReplayBatchesInput, ReplayInput, ReplayProgress } from '../../src/domain/replay.js';
import { runCli } from '../cli/runCli.js';
import { temporalAddress } from '../support/temporal.js';
import { Rig } from './rig.js';

/** The batches whose replays fail. */
const unlucky = new Set<number>();
const failing: ActivityInterceptorsFactory = ({ info: { activityType } }) => ({
  inbound: {
    execute: async (input, next) => {
      const [asked] = input.args as [ReplayInput];
      if (activityType === 'beginReplay' && unlucky.has(asked.batchId)) {
        throw ApplicationFailure.nonRetryable('postgres://u:secret@host does not answer');
      }
      return next(input);
    },
  },
});

const rig = new Rig({ interceptors: [failing] });
beforeAll(() => rig.open());
afterAll(() => rig.close());

const WHY = 'failed: postgres://u:***@host does not answer';

it('by its cause, and the others are replayed', async () => {
  const batches = [await rig.failedBatch(), await rig.failedBatch(), await rig.failedBatch()];
  rig.reset();
  const [first, second, third] = batches.map(({ batch }) => batch.LogID) as [number, number, number];
  unlucky.add(first);
  writeFileSync(
    join(rig.folder, 'batchtrail.yaml'),
    JSON.stringify({ audit: rig.audit, worker: { taskQueue: rig.taskQueue } }),
  );
  const { code, stdout } = await runCli(['replay', String(first), String(second)], {
    ...{ cwd: rig.folder, env: { TEMPORAL_ADDRESS: temporalAddress() } },
  });
  expect(code).toBe(1);
  expect(stdout).toContain(`${first}  refused: Workflow replay-${first} ${WHY}\n`);
  expect(stdout).toContain(`${second}  Success `);

  const { outcomes } = await rig.client.workflow.execute<
    (input: ReplayBatchesInput) => Promise<ReplayProgress>
  >('replayBatches', {
    ...{ taskQueue: rig.taskQueue, workflowId: `bulk-${randomUUID()}` },
    // Not the batch of the replay that failed above.
    args: [{ error: 'the disk is full' }],
  });
  expect(outcomes).toContainEqual({ batchId: first, refused: `Workflow replay-${first} ${WHY}` });
  expect(outcomes).toContainEqual(expect.objectContaining({ batchId: third, status: 'Success' }) as object);
});
