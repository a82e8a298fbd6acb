import type { PipelineLog } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';

/**
 * A batch, what it replays, what replays it, and what has repaired them, in the order of their numbers. Empty when neither
 * the batch nor anything about it is there.
 */
export async function replayChain(reader: AuditReader, logID: number): Promise<PipelineLog[]> {
  const chain = new Map<number, PipelineLog>();
  const asked = new Set<number>();
  const toAsk = [logID];
  for (let next = toAsk.pop(); next !== undefined; next = toAsk.pop()) {
    if (asked.has(next)) continue;
    asked.add(next);
    for (const batch of await reader.batches({ about: next })) {
      chain.set(batch.LogID, batch);
      const linked = [batch.LogID, batch.ReplayOfLogID, batch.ResolvedByLogID];
      toAsk.push(...linked.filter((link) => link !== null));
    }
  }
  return [...chain.values()].sort((a, b) => a.LogID - b.LogID);
}
