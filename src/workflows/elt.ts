/** Extracts tables to staging, runs a transform on them, and counts what it loaded. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { checkEltInput } from '../domain/elt.js';
import type { EltActivities, EltInput, RowsProcessed, StagedTable } from '../domain/elt.js';
import { NON_RETRYABLE_ERRORS } from '../domain/errors.js';
import { checkInput } from './checkInput.js';
import { replacedBatches } from './replacedBatches.js';
import { together } from './together.js';

const OPTIONS = {
  heartbeatTimeout: '1 minute',
  // Without it the SDK lets a run end while a cancelled step is still at work, whatever its documentation says.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumAttempts: 3,
    nonRetryableErrorTypes: NON_RETRYABLE_ERRORS,
  },
} as const;

// Tables of one place are loaded one after the other, also those of other batches, and each waits with its time running.
const { extractTable } = proxyActivities<EltActivities>({ ...OPTIONS, startToCloseTimeout: '24 hours' });
const { runTransform, countRows } = proxyActivities<EltActivities>({
  ...OPTIONS,
  startToCloseTimeout: '1 hour',
});

export async function elt(input: EltInput): Promise<RowsProcessed> {
  const checked = checkInput(checkEltInput, input);
  const { target, transform, countTable } = checked;
  const staged = await extractAll(checked);
  await runTransform({ target, transform, staged, countTable });
  const { rowsProcessed } = await countRows({ target, countTable });
  return { rowsProcessed };
}

function extractAll({ source, target, tables }: EltInput): Promise<StagedTable[]> {
  const replaces = replacedBatches();
  return together(
    tables.map(({ from, to }) => async () => {
      const { rowsProcessed } = await extractTable({ source, target, from, to, replaces });
      return { to, rows: rowsProcessed };
    }),
  );
}
