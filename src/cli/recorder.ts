/** For commands that write what a worker would write. */
import { setTimeout as delay } from 'node:timers/promises';
import { Runtime } from '@temporalio/worker';
import { Recorder } from '../audit/recorder.js';
import type { Config } from '../config.js';
import { engineFor, openOutbox } from '../engines/index.js';

const PATIENCE_MS = 60_000;

export async function withRecorder<T>(
  { audit }: Config,
  work: (recorder: Recorder) => Promise<T>,
): Promise<T> {
  // Here, and not in the recorder, which would wait for a store that does not answer.
  const store = await (await engineFor(audit.url, 'audit.url')).openAuditStore(audit);
  await store.migrate();
  const recorder = new Recorder({
    openStore: async () => store,
    openOutbox: () => openOutbox(audit.outbox),
    strict: true,
    logger: Runtime.instance().logger,
  });
  try {
    await recorder.start();
    for (const deadline = Date.now() + PATIENCE_MS; !recorder.store; await delay(50)) {
      if (Date.now() > deadline) {
        throw new Error(
          `The audit store does not take what waits in the outbox ${audit.outbox}. See: batchtrail outbox`,
        );
      }
    }
    return await work(recorder);
  } finally {
    await recorder.shutdown();
  }
}
