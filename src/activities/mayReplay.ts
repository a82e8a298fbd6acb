/** Whether a batch may be done again, by what the audit says. */
import { noBatch } from '../audit/noBatch.js';
import { isTriedAgain } from '../audit/openBatches.js';
import type { BatchRecord, PipelineLog } from '../domain/model.js';
import type { Refusal, ReplayInput } from '../domain/replay.js';
import { refuse } from '../domain/replay.js';
import type { AuditReader } from '../engines/contract.js';

/** The batch, the one that it is a replay of, and so on, as far as they are there. */
export async function findChain(
  reader: AuditReader,
  logID: number,
): Promise<[BatchRecord, ...BatchRecord[]] | Refusal> {
  const first = await reader.batch(logID);
  if (!first) return refuse((await noBatch(reader, logID)).message);
  const chain: [BatchRecord, ...BatchRecord[]] = [first];
  for (let next = first.batch.ReplayOfLogID; next !== null; next = chain.at(-1)!.batch.ReplayOfLogID) {
    const record = await reader.batch(next);
    if (!record) break;
    chain.push(record);
  }
  return chain;
}

/** What the audit itself says against it. */
export function refusal(
  { LogID, WorkflowType, Status, RetryStatus, Resolution, ResolvedByLogID, Namespace }: PipelineLog,
  { force = false }: Pick<ReplayInput, 'force'>,
  namespace: string,
): Refusal | undefined {
  if (WorkflowType === null) {
    return refuse(`Batch ${LogID} is an activity without a workflow. Start it again by hand`);
  }
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
