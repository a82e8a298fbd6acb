/** `batchtrail outbox`: what waits for the audit store on this machine. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import type { OutboxState } from '../engines/contract.js';
import { engineFor, openOutbox } from '../engines/index.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';

export function addOutbox(program: Command, configured: Configured): void {
  program
    .command('outbox')
    .description('list what waits for the audit store on this machine, or ship it')
    .option('--ship', 'write it to the audit store now; a worker does that, too')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: batchtrail outbox --ship')
    .action(async (options: { ship?: boolean; json?: boolean }) => {
      const config = configured();
      // Opening it would make it.
      if (!existsSync(config.audit.outbox)) {
        if (options.json) printJson([]);
        else print(`There is no outbox ${config.audit.outbox}: nothing waits`);
        return;
      }
      const outbox = await openOutbox(config.audit.outbox);
      try {
        if (options.ship) await shipNow(config, outbox);
        const states = await outbox.state();
        if (options.json) printJson(states);
        else if (states.length > 0) print(formatTable(COLUMNS, states, outputWidth()));
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

const COLUMNS: ReadonlyArray<Column<OutboxState>> = [
  { title: 'StoreID', value: ({ storeID }) => storeID },
  { title: 'Waiting', align: 'right', value: ({ waiting }) => String(waiting) },
  { title: 'Refused', align: 'right', value: ({ refused }) => String(refused) },
  { title: 'Oldest', value: ({ oldest }) => oldest },
  { title: 'Why refused', shrinkTo: 20, value: ({ problem }) => problem ?? '' },
];
