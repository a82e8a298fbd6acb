/** What becomes of failed children when their parent is done again. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import { Rig } from './rig.js';

const rig = new Rig();
beforeAll(() => rig.open());
afterAll(() => rig.close());
afterEach(() => rig.reset());

/** A batch that failed of its second child, and coped with the failure of the first. */
async function failedParent(): Promise<{
  parent: BatchRecord;
  optional: BatchRecord;
  required: BatchRecord;
  requiredFile: string;
}> {
  const files = [randomUUID(), randomUUID()];
  for (const file of files) rig.broken.add(`load ${file}`);
  const parent = await rig.play('parent', ...files);
  const children = (await rig.reader.batches({ open: true }))
    .filter(({ ParentLogID }) => ParentLogID === parent.batch.LogID)
    .sort((a, b) => a.LogID - b.LogID);
  const [optional, required] = await Promise.all(children.map(({ RunID }) => rig.batchOf(RunID!)));
  rig.broken.clear();
  return { parent, optional: optional!, required: required!, requiredFile: files[1]! };
}

/** Its replay, which fails, too. */
async function failedAgain({ batch: { LogID } }: BatchRecord, file: string): Promise<BatchRecord> {
  rig.broken.add(`load ${file}`);
  const again = await rig.replayed({ batchId: LogID });
  rig.broken.clear();
  return again;
}

it('from its start, all of them are done again, and none stays open', async () => {
  const { parent, optional, required } = await failedParent();
  expect(parent.batch).toMatchObject({ Status: 'Error', Resolution: 'open' });
  const again = await rig.replayed({ batchId: parent.batch.LogID });
  for (const repaired of [parent, optional, required]) {
    expect((await rig.read(repaired)).batch).toMatchObject({
      ...{ Resolution: 'replayed', ResolvedByLogID: again.batch.LogID },
    });
  }
});

it('from the failure, one stays open that is not done again', async () => {
  const { parent, optional, required } = await failedParent();
  const { LogID } = parent.batch;
  await rig.replayed({ batchId: LogID, from: 'failure' });
  expect((await rig.read(optional)).batch.Resolution).toBe('open');
  expect((await rig.read(required)).batch).toMatchObject({
    ...{ Resolution: 'replayed', ResolvedByLogID: LogID },
  });
});

it('also one that was replayed by itself is repaired with its replay, which failed, too', async () => {
  const { parent, required, requiredFile } = await failedParent();
  const childAgain = await failedAgain(required, requiredFile);
  expect(childAgain.batch).toMatchObject({ Resolution: 'open', ReplayOfLogID: required.batch.LogID });
  const again = await rig.replayed({ batchId: parent.batch.LogID });
  for (const repaired of [required, childAgain]) {
    expect((await rig.read(repaired)).batch).toMatchObject({
      ...{ Resolution: 'replayed', ResolvedByLogID: again.batch.LogID },
    });
  }
});

it('of all that are open, the parent is replayed, and not its children, or their replays, beside it', async () => {
  const { parent, optional, required, requiredFile } = await failedParent();
  await failedAgain(required, requiredFile);
  const since = [parent, optional, required].map(({ batch }) => batch.StartTime).sort()[0]!;
  const { total, outcomes } = (await rig.client.workflow.execute('replayBatches', {
    ...{ taskQueue: rig.taskQueue, workflowId: `bulk-${randomUUID()}`, args: [{ since }] },
  })) as { total: number; outcomes: unknown[] };
  expect({ total, outcomes }).toMatchObject({
    ...{ total: 1, outcomes: [{ batchId: parent.batch.LogID, status: 'Success' }] },
  });
});
