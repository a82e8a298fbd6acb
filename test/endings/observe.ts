/** Reads a batch back with plain SQL, and writes it down in a form that can be compared and printed. */
import { join } from 'node:path';
import Database from 'better-sqlite3';

export interface Observed {
  status: string;
  /** `recovered 2`: RetryStatus and RetryCount; empty when nothing was retried. */
  retries: string;
  /** One text per attempt: `step#1.2 start retry`; log lines as `name: info`. */
  events: string[];
  alerts: string[];
}

export type Row = Record<string, string | number | null>;

export interface BatchRows {
  batch: Row;
  runs: Row[];
  events: Row[];
  alerts: Row[];
}

export function readBatches(folder: string, workflowID: string): BatchRows[] {
  const db = new Database(join(folder, 'Audit.db'), { readonly: true });
  try {
    const all = (sql: string, ...values: unknown[]): Row[] => db.prepare(sql).all(...values) as Row[];
    return all('SELECT * FROM PipelineLog WHERE WorkflowID = ? ORDER BY LogID', workflowID).map((batch) => ({
      batch,
      runs: all('SELECT * FROM PipelineRun WHERE LogID = ? ORDER BY StartTime, rowid', batch.LogID),
      events: all('SELECT * FROM PipelineEvent WHERE LogID = ? ORDER BY EventTime, rowid', batch.LogID),
      alerts: all('SELECT * FROM Alert WHERE LogID = ? ORDER BY AlertID', batch.LogID),
    }));
  } finally {
    db.close();
  }
}

export function observe({ batch, events, alerts }: BatchRows): Observed {
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

function timeline(events: Row[]): string[] {
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
