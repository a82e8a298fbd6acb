/** `batchtrail digest`: one line that pins the whole audit, to be kept where nobody who can change it can write. */
import type { Command } from 'commander';
import { formatDigest, readChain } from '../audit/chain.js';
import { isoTime } from '../domain/time.js';
import { withAuditReader } from './audit.js';
import { print } from './output.js';
import type { Configured } from './program.js';

export function addDigest(program: Command, configured: Configured): void {
  program
    .command('digest')
    .description('print one line over all seals, to be kept elsewhere')
    .addHelpText('after', '\nExample: batchtrail digest >> /mnt/elsewhere/digests')
    .action(async () => {
      const chain = await withAuditReader(configured(), (reader) => readChain(reader));
      if (chain.findings.length > 0) {
        throw new Error(`The chain of seals is broken: ${chain.findings[0]}. See: batchtrail verify`);
      }
      print(formatDigest(chain, isoTime(Date.now())));
    });
}
