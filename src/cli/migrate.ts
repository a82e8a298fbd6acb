/** `batchtrail migrate`: creates or upgrades the audit tables. */
import type { Command } from 'commander';
import { engineFor } from '../engines/index.js';
import { print } from './output.js';
import type { Configured } from './program.js';

export function addMigrate(program: Command, configured: Configured): void {
  program
    .command('migrate')
    .description('create or upgrade the audit tables; a worker does it, too, when it starts')
    .option('--print', 'print the SQL instead, for somebody who runs it by hand')
    .addHelpText('after', '\nExample: batchtrail migrate --print > audit.sql')
    .action(async ({ print: printOnly }: { print?: boolean }) => {
      const { audit } = configured();
      const engine = await engineFor(audit.url, 'audit.url');
      if (printOnly) {
        print(engine.migrationScript(audit));
        return;
      }
      const store = await engine.openAuditStore(audit);
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
