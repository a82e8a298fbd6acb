/** `batchtrail migrate`: creates or upgrades the audit tables. */
import type { Command } from 'commander';
import { engineFor } from '../engines/index.js';
import { print } from './output.js';
import type { Configured } from './program.js';

export function addMigrate(program: Command, configured: Configured): void {
  program
    .command('migrate')
    .description('create or upgrade the audit tables; a worker does it, too, when it starts')
    .addHelpText('after', '\nExample: batchtrail migrate')
    .action(async () => {
      const { audit } = configured();
      const store = await (await engineFor(audit.url, 'audit.url')).openAuditStore(audit);
      try {
        const applied = await store.migrate();
        print(
          applied.length > 0 ? `Applied version ${applied.join(', ')}` : 'The audit tables are up to date',
        );
      } finally {
        await store.close();
      }
    });
}
