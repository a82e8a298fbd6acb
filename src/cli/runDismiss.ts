import { dismissBatch } from '../audit/ledger/dismissBatch.js';
import type { Dismissal } from '../audit/ledger/dismissBatch.js';
import { inLedger } from '../audit/ledger/ledger.js';
import type { Config } from '../config.js';
import { engineFor } from '../engines/index.js';

export async function dismiss({ audit }: Config, dismissal: Dismissal): Promise<void> {
  const store = await (await engineFor(audit.url, 'audit.url')).openAuditStore(audit);
  try {
    await store.migrate();
    await inLedger(store, (ledger) => dismissBatch(ledger, dismissal));
  } finally {
    await store.close();
  }
}
