import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withoutTemporalVariables } from '../../src/dev/temporalEnv.js';
import { temporalAddress, temporalCli } from '../support/temporal.js';
import { Rig } from './rig.js';

const rig = new Rig();
beforeAll(() => rig.open());
afterAll(() => rig.close());

/** As people type it, whose environment names the server. */
function temporal(...args: string[]): Promise<unknown> {
  const env = { ...withoutTemporalVariables(), TEMPORAL_ADDRESS: temporalAddress() };
  return promisify(execFile)(temporalCli(), args, { env });
}

it('a failed batch is repaired by a replay that the Temporal CLI starts', async () => {
  const failed = await rig.failedBatch();
  const { LogID } = failed.batch;
  rig.broken.clear();

  const id = ['--workflow-id', `replay-${LogID}`];
  const what = ['--type', 'replayBatch', '--task-queue', rig.taskQueue];
  await temporal('workflow', 'start', ...what, ...id, '--input', `{"batchId":${LogID}}`);
  await temporal('workflow', 'result', ...id);

  await expect.poll(async () => (await rig.read(failed)).batch.Resolution).toBe('replayed');
  const again = (await rig.reader.batches({})).filter(({ ReplayOfLogID }) => ReplayOfLogID === LogID);
  expect(again).toMatchObject([{ Status: 'Success' }]);
  expect((await rig.read(failed)).batch.ResolvedByLogID).toBe(again[0]!.LogID);
});
