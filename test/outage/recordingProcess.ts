/**
 * A process that records events for as long as it lives, and prints the EventID of each one that `record` has
 * acknowledged. Its store is down; or it is back, and the process kills itself at a commit.
 */
import { DefaultLogger } from '@temporalio/worker';
import { Recorder } from '../../src/audit/recorder.js';
import type { BatchRef } from '../../src/domain/model.js';
import { engineFor, openOutbox } from '../../src/engines/index.js';
import { event } from '../support/rows.js';
import { FaultyStore } from './faultyStore.js';

export interface RecordingSettings {
  readonly url: string;
  readonly outboxFile: string;
  readonly ref: BatchRef;
  /** The process kills itself at this commit, counted from its start; undefined: the store is down. */
  readonly commit?: number | undefined;
  /** Before the commit, or when it is done and nobody knows. */
  readonly isDone?: boolean | undefined;
}

const CALLERS = 5;

const { url, outboxFile, ref, commit, isDone } = JSON.parse(process.argv[2]!) as RecordingSettings;
const store = new FaultyStore(await (await engineFor(url, 'url')).openAuditStore({ url }));
store.isDown = commit === undefined;
let commits = 0;
const { transaction } = FaultyStore.prototype;
store.transaction = async (work) => {
  const isLast = ++commits === commit;
  const result = await transaction.call(store, async (tx) => {
    const answer = await work(tx);
    if (isLast && !isDone) process.kill(process.pid, 'SIGKILL');
    return answer;
  });
  if (isLast) process.kill(process.pid, 'SIGKILL');
  return result as never;
};
const recorder = new Recorder({
  openStore: async () => store,
  openOutbox: () => openOutbox(outboxFile),
  strict: false,
  logger: new DefaultLogger('ERROR', () => undefined),
});
await recorder.start();
for (let caller = 0; caller < CALLERS; caller++) void record(caller);

async function record(caller: number): Promise<void> {
  for (let number = 0; ; number++) {
    const one = event(ref, { ActivityID: `${caller}-${number}` });
    await recorder.record([one]);
    // To a pipe, this is written before it returns.
    process.stdout.write(`${one.EventID}\n`);
  }
}
