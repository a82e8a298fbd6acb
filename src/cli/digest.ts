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
    .addHelpText(
      'after',
      `
The line: batchtrail-digest-1 store=<StoreID> seals=<count> root=<Root> at=<time>
store  which audit it is of: Audit.Store
seals  how many seals there are: Audit.Seal
root   the Root of the last one, which contains all others; - while there is none
at     when it was printed: no seal that was made later can say that it is older

Add it to a file where nobody who can change the audit can write, once an hour, say. Whoever changes what is sealed
after that, or cuts off the end, can't make the line true again: batchtrail verify --digest <file> compares every line.

Example: batchtrail digest >> /mnt/elsewhere/digests`,
    )
    .action(async () => {
      const chain = await withAuditReader(configured(), (reader) => readChain(reader));
      if (chain.findings.length > 0) {
        throw new Error(`The chain of seals is broken: ${chain.findings[0]}. See: batchtrail verify`);
      }
      print(formatDigest(chain, isoTime(Date.now())));
    });
}
