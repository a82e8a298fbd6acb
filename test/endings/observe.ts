/** Reads batches back as a person would, and writes them down in a form that can be compared and printed. */
import type { BatchRecord, PipelineEvent } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';

export interface Observed {
  status: string;
  /** `recovered 2`: RetryStatus and RetryCount; empty when nothing was retried. */
  retries: string;
  /** One text per attempt: `step#1.2 start retry`; log lines as `name: info`. */
  events: string[];
  alerts: string[];
}

/** The batches of a workflow id, in the order in which they began. */
export async function readBatches(reader: AuditReader, workflowID: string): Promise<BatchRecord[]> {
  const found = (await reader.batches({ text: workflowID })).filter(
    (batch) => batch.WorkflowID === workflowID,
  );
  const records = await Promise.all(found.map(({ LogID }) => reader.batch(LogID)));
  return records.filter((record) => record !== undefined).sort((a, b) => a.batch.LogID - b.batch.LogID);
}

export function observe({ batch, events, alerts }: BatchRecord): Observed {
  const retries = [batch.RetryStatus, batch.RetryCount === 0 ? null : batch.RetryCount];
  return {
    status: String(batch.Status),
    retries: retries.filter((part) => part !== null).join(' '),
    events: timeline(events),
    alerts: alerts
      .map(({ Rule, ResolvedAt }) => `${Rule} ${ResolvedAt === null ? 'open' : 'resolved'}`)
      .sort(),
  };
}

function timeline(events: PipelineEvent[]): string[] {
  const attempts = new Map<string, string>();
  const runs = [...new Set(events.map(({ RunID }) => RunID))];
  const steps = [...new Set(events.map(({ ActivityID }) => String(ActivityID)))];
  for (const { RunID, StepName, ActivityID, Attempt, EventType, Message } of events) {
    const late = String(Message ?? '').includes('late:') ? ' late' : '';
    const run = runs.length > 1 ? `run${runs.indexOf(RunID) + 1} ` : '';
    // An id that the user gave is followed by a time: say which one of the batch's steps it is instead.
    const step = String(ActivityID).replace(
      / \(.*\)$/,
      () => ` (step ${steps.indexOf(String(ActivityID)) + 1})`,
    );
    const key = ActivityID === null ? `${run}${StepName}:` : `${run}${StepName}#${step}.${Attempt}`;
    attempts.set(key, `${attempts.get(key) ?? key} ${EventType}${late}`);
  }
  return [...attempts.values()].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
