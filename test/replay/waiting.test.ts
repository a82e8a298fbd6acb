/** Batches that no worker can do again: that is said, and they go on as soon as one can. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayOutcome } from '../../src/domain/replay.js';
import { Rig } from './rig.js';

const rig = new Rig();
beforeAll(() => rig.open());
afterAll(() => rig.close());

const containing = (part: string) => expect.stringContaining(part) as string;

/** A batch of a worker that is gone. */
async function failedElsewhere(workflow: string, taskQueue: string): Promise<BatchRecord & { file: string }> {
  const file = randomUUID();
  rig.broken.add(`load ${file}`);
  const stop = await rig.startWorker({ taskQueue, workflows: './formerWorkflows.ts' });
  const handle = await rig.client.workflow.start(workflow, {
    ...{ taskQueue, args: [file], workflowId: `former-${file}` },
  });
  await handle.result().catch(() => undefined);
  const failed = await rig.batchOf(handle.firstExecutionRunId);
  await stop();
  return { ...failed, file };
}

it('a worker that does not know the workflow type, or none on the task queue, is told of; the batch stays open', async () => {
  const emptyQueue = `nobody-${randomUUID()}`;
  const sharedQueue = `shared-${randomUUID()}`;
  const forgotten = await failedElsewhere('former', sharedQueue);
  const unserved = await failedElsewhere('former', emptyQueue);
  rig.broken.clear();
  const stopShared = await rig.startWorker({ taskQueue: sharedQueue });

  const outcomes = await Promise.all(
    ([forgotten, unserved] as const).map(({ batch }, index) =>
      rig.replay({ batchId: batch.LogID, from: index === 0 ? 'start' : 'failure' }),
    ),
  );
  expect(outcomes[0]).toMatchObject({
    waits: containing(`the worker on task queue ${sharedQueue} can't run workflow type former: `),
  });
  expect(outcomes[1]).toMatchObject({ waits: containing(`no worker on task queue ${emptyQueue} takes it`) });
  for (const { batch } of [forgotten, unserved]) {
    expect(await rig.replay({ batchId: batch.LogID })).toMatchObject({
      refused: expect.stringMatching(/is being replayed|still runs/) as string,
    });
    expect((await rig.reader.batch(batch.LogID))!.batch.Resolution).toBe('open');
  }
  await stopShared();

  // Once there is a worker for them, they go on, and are repaired.
  const stops = await Promise.all(
    [sharedQueue, emptyQueue].map((taskQueue) =>
      rig.startWorker({ taskQueue, workflows: './formerWorkflows.ts' }),
    ),
  );
  for (const outcome of outcomes) await rig.client.workflow.getHandle(runOf(outcome)).result();
  for (const { batch } of [forgotten, unserved]) {
    const resolution = async () => (await rig.reader.batch(batch.LogID))!.batch.Resolution;
    await expect.poll(resolution).toBe('replayed');
  }
  for (const stop of stops) await stop();
}, 240_000);

function runOf(outcome: ReplayOutcome): string {
  return 'workflowId' in outcome ? outcome.workflowId : '';
}
