/** The activities of a replay: which batches are open, whether one may be done again, and what becomes of it. */
import { activityInfo } from '@temporalio/activity';
import { isTriedAgain, openBatches } from '../audit/openBatches.js';
import type { BatchRecord, PipelineLog } from '../domain/model.js';
import type { Refusal, ReplayActivities, ReplayInput } from '../domain/replay.js';
import { refuse } from '../domain/replay.js';
import type { AuditReader } from '../engines/contract.js';
import { beating } from './beating.js';
import { endOf } from './endOf.js';
import { FailedRun } from './failedRun.js';

export function replayActivities(openReader: () => Promise<AuditReader>): ReplayActivities {
  return {
    findOpen: (filter) =>
      reading(openReader, async (reader) => (await openBatches(reader, filter)).map(({ LogID }) => LogID)),

    async beginReplay(input) {
      const { batchId, from = 'start' } = input;
      const [record, ...earlier] = await reading(openReader, (reader) => findChain(reader, batchId));
      if (!record) return refuse(`There is no batch ${batchId}. See: batchtrail batches`);
      const { batch } = record;
      if (batch.WorkflowType === null) {
        return refuse(`Batch ${batchId} is an activity without a workflow. Start it again by hand`);
      }
      const run = new FailedRun(
        record,
        earlier.map((one) => one.batch),
      );
      const begun = (await run.begunBefore()) ?? refusal(batch, input);
      if (begun) return begun;
      return from === 'start' ? run.start() : run.reset();
    },

    awaitReplay: (run) => beating(({ signal }) => Promise.race([endOf(run), cancelled(signal)])),
  };
}

async function reading<T>(
  openReader: () => Promise<AuditReader>,
  work: (reader: AuditReader) => Promise<T>,
): Promise<T> {
  const reader = await openReader();
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

/** The batch, the one that it is a replay of, and so on. */
async function findChain(reader: AuditReader, logID: number): Promise<BatchRecord[]> {
  const chain: BatchRecord[] = [];
  for (let next: number | null = logID; next !== null; next = chain.at(-1)!.batch.ReplayOfLogID) {
    const record = await reader.batch(next);
    if (!record) break;
    chain.push(record);
  }
  return chain;
}

/** What the audit itself says against it. */
function refusal(
  { LogID, Status, RetryStatus, Resolution, ResolvedByLogID, Namespace }: PipelineLog,
  { force = false }: ReplayInput,
): Refusal | undefined {
  const { namespace } = activityInfo();
  if (Namespace !== namespace) {
    return refuse(`Batch ${LogID} ran in namespace ${Namespace}, and this worker is in ${namespace}`);
  }
  if (Status === 'Running') return refuse(`Batch ${LogID} still runs. Wait for its end, or terminate it`);
  if (Status === 'Continued') {
    return refuse(`Batch ${LogID} was continued as another batch. Replay that one`);
  }
  // What took its place may have loaded what it would load again.
  if (ResolvedByLogID !== null && ResolvedByLogID !== LogID) {
    return refuse(
      `Batch ${LogID} is ${Resolution} already by batch ${ResolvedByLogID}. If it has to be done once more, replay that one`,
    );
  }
  if (isTriedAgain({ Status, RetryStatus })) {
    return refuse(
      `Batch ${LogID} was tried again as another batch, by the workflow's own retry policy. Replay the last one`,
    );
  }
  const done =
    Status === 'Success' ? 'has succeeded' : Resolution === 'dismissed' ? 'is dismissed' : undefined;
  return done && !force
    ? refuse(`Batch ${LogID} ${done}. With force, it is replayed all the same`)
    : undefined;
}

function cancelled(signal: AbortSignal): Promise<never> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
