/** Purges the audit of old batches. It has a batch of its own, which the tombstones of the others name. */
import { proxyActivities } from '@temporalio/workflow';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import type { PurgeActivities, PurgeCursor, PurgeInput, PurgeResult } from '../domain/purge.js';
import { checkPurgeInput } from '../domain/purge.js';
import { isoTime } from '../domain/time.js';
import { checkInput } from './checkInput.js';

const { purgeBatches, purgeStaging } = proxyActivities<PurgeActivities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '1 minute',
  retry: { maximumInterval: '1 minute', maximumAttempts: 10, nonRetryableErrorTypes: NON_RETRYABLE_ERRORS },
});

export async function purgeAudit(input: PurgeInput): Promise<PurgeResult> {
  const { olderThan, ...kept } = checkInput(checkPurgeInput, input);
  const before = isoTime(Date.now() - olderThan);
  let purged = 0;
  let after: PurgeCursor | undefined;
  do {
    const step = await purgeBatches({ before, ...kept, purgedBefore: purged, after });
    purged += step.rowsProcessed;
    after = step.after;
  } while (after);
  return { rowsProcessed: purged, staged: await purgeStaging() };
}
