import type { Alert, BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';

export interface Belongings {
  readonly runs: readonly PipelineRun[];
  readonly events: readonly PipelineEvent[];
  readonly alerts: readonly Alert[];
}

/** Gives each batch what belongs to it, in the order in which it comes. */
export function toRecords(
  batches: readonly PipelineLog[],
  { runs, events, alerts }: Belongings,
): BatchRecord[] {
  const records = new Map<number, BatchRecord>();
  for (const batch of batches) records.set(batch.LogID, { batch, runs: [], events: [], alerts: [] });
  for (const run of runs) records.get(run.LogID)?.runs.push(run);
  for (const event of events) records.get(event.LogID)?.events.push(event);
  for (const alert of alerts) records.get(alert.LogID)?.alerts.push(alert);
  return [...records.values()];
}
