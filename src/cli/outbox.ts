/** `batchtrail outbox`: what waits for the audit store on this machine. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { aboutItem } from '../audit/aboutChange.js';
import { isKind } from '../audit/groupCommit.js';
import type { Config } from '../config.js';
import type { PipelineEvent } from '../domain/model.js';
import type { KeptEntry, OutboxState } from '../engines/outboxContract.js';
import { engineFor, openOutbox } from '../engines/index.js';
import { positiveInteger } from './arguments.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';

export function addOutbox(program: Command, configured: Configured): void {
  program
    .command('outbox')
    .description('list what waits for the audit store on this machine, or ship it')
    .option('--ship', 'write it to the audit store now; a worker does that, too')
    .option('--limit <n>', 'at most so many entries, the oldest first', positiveInteger, 20)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: batchtrail outbox --ship')
    .action(async (options: { ship?: boolean; limit: number; json?: boolean }) => {
      const config = configured();
      // Opening it would make it.
      if (!existsSync(config.audit.outbox)) {
        if (options.json) printJson({ stores: [], entries: [] });
        else print(`There is no outbox ${config.audit.outbox}: nothing waits`);
        return;
      }
      const outbox = await openOutbox(config.audit.outbox);
      try {
        if (options.ship) await shipNow(config, outbox);
        const stores = await outbox.state();
        const entries = await outbox.list(options.limit);
        if (options.json) printJson({ stores, entries });
        else if (stores.length > 0) print(report(stores, entries));
        else print(`Nothing waits in ${config.audit.outbox}`);
      } finally {
        await outbox.close();
      }
    });
}

async function shipNow({ audit }: Config, outbox: Awaited<ReturnType<typeof openOutbox>>): Promise<void> {
  const store = await (await engineFor(audit.url, 'audit.url')).openAuditStore(audit);
  try {
    await store.migrate();
    const { ship } = await import('../audit/shipper.js');
    const storeID = await store.storeID();
    await outbox.bringBack(storeID);
    const { shipped, refused } = await ship(outbox, store, storeID, randomUUID());
    process.stderr.write(`Shipped ${shipped}${refused > 0 ? `, and the store refused ${refused}` : ''}\n`);
  } finally {
    await store.close();
  }
}

function report(stores: readonly OutboxState[], entries: readonly KeptEntry[]): string {
  const more = stores.reduce((sum, { waiting, refused }) => sum + waiting + refused, -entries.length);
  return [
    formatTable(STORE_COLUMNS, stores, outputWidth()),
    '',
    formatTable(ENTRY_COLUMNS, entries, outputWidth()),
    ...(more > 0 ? [`and ${more} more: batchtrail outbox --limit ${entries.length + more}`] : []),
  ].join('\n');
}

const STORE_COLUMNS: ReadonlyArray<Column<OutboxState>> = [
  { title: 'StoreID', value: ({ storeID }) => storeID },
  { title: 'Waiting', align: 'right', value: ({ waiting }) => String(waiting) },
  { title: 'Refused', align: 'right', value: ({ refused }) => String(refused) },
  { title: 'Oldest', value: ({ oldest }) => oldest },
];

const ENTRY_COLUMNS: ReadonlyArray<Column<KeptEntry>> = [
  { title: 'Since', value: ({ addedAt }) => addedAt },
  { title: 'LogID', align: 'right', value: (entry) => String(about(entry).LogID ?? '') },
  { title: 'RunID', value: (entry) => about(entry).RunID ?? '' },
  { title: 'What', shrinkTo: 20, value: what },
  { title: 'Why refused', shrinkTo: 20, value: ({ problem }) => problem ?? '' },
];

/** An entry of a later version may be of a kind that this one does not know. */
function about({ kind, item }: KeptEntry): ReturnType<typeof aboutItem> {
  return isKind(kind) ? aboutItem(kind, item) : {};
}

function what({ kind, item }: KeptEntry): string {
  if (kind !== 'record') return NAMES[kind] ?? kind;
  return (item as PipelineEvent[]).map(({ EventType, StepName }) => `${EventType} of ${StepName}`).join(', ');
}

const NAMES: Readonly<Record<string, string>> = {
  openAndRecord: 'a batch that was not opened yet',
  note: 'a workflow task failed',
  settle: 'the end of an activity without a workflow',
};
