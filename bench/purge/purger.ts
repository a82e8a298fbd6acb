/** Purges what is older than a time, in a process of its own, as another worker would. */
import { performance } from 'node:perf_hooks';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import { purge } from '../../src/audit/purge.js';
import { PURGE_WORKFLOW } from '../../src/domain/purge.js';
import { engineFor } from '../../src/engines/index.js';
import { runStart } from '../../test/support/rows.js';

const [url, before] = process.argv.slice(2) as [string, string];
const engine = await engineFor(url, 'bench');
const store = await engine.openAuditStore({ url });
const reader = await engine.openAuditReader({ url });
const start = runStart({ WorkflowType: PURGE_WORKFLOW, StartTime: new Date().toISOString() });
const [by] = await inLedger(store, (ledger) => openRuns(ledger, [start]));
const began = performance.now();
const { altered } = await purge(reader, store, by!.LogID, {
  before,
  after: undefined,
  signal: new AbortController().signal,
  until: Infinity,
  onProgress: () => undefined,
});
const seconds = (performance.now() - began) / 1_000;
process.stdout.write(
  JSON.stringify({ purged: await reader.countPurged(by!.LogID), seconds, altered: altered.length }),
);
await reader.close();
await store.close();
