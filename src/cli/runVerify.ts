import { readFileSync } from 'node:fs';
import { parseDigests } from '../audit/chain.js';
import { verifyAudit } from '../audit/verifyAudit.js';
import type { Verification } from '../audit/verifyAudit.js';
import type { Config } from '../config.js';
import { BadInput } from '../domain/errors.js';
import { withAuditReader } from './audit.js';
import { withTemporalReader } from './temporalClient.js';
import type { Report } from './verifyReport.js';

export interface VerifyOptions {
  readonly since?: string | undefined;
  readonly batch?: number | undefined;
  /** A file of digests. */
  readonly digest?: string | undefined;
}

/** `report` is called when what must be read before anything is found was read. */
export function verify(
  config: Config,
  { digest, ...options }: VerifyOptions,
  report: () => Report,
): Promise<Verification> {
  const digests = digest === undefined ? [] : parseDigests(readText(digest), digest);
  const { taskQueue } = config.worker;
  return withTemporalReader(config, (temporal) =>
    withAuditReader(config, async (reader) => {
      const listener = report();
      const found = await verifyAudit(reader, temporal, { taskQueue, digests, ...options }, listener);
      listener.end(found);
      return found;
    }),
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new BadInput(
      `The digest file ${file} can't be read (${(error as NodeJS.ErrnoException).code}). Make one with: batchtrail digest > ${file}`,
      { cause: error },
    );
  }
}
