/** What Temporal's own API says about all runs: the truth that the audit is measured by. */
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

export interface RunName {
  readonly WorkflowID: string;
  readonly RunID: string;
}

export interface TemporalActivity {
  readonly ActivityID: string;
  /** The attempt that history names; 0 when it names none. */
  readonly attempt: number;
  /** The attempt before it, when a worker reported its failure: one that timed out, nobody reported. */
  readonly reported: number | undefined;
  readonly end: 'success' | 'failure' | 'cancelled' | undefined;
  /** It ended before the point that this run was reset to, and so belongs to an earlier run. */
  readonly isCopied: boolean;
}

export interface TemporalRun extends RunName {
  readonly originalRunID: string;
  /** In the audit's words; undefined while the run is open. */
  readonly status: string | undefined;
  /** When the run began; for one that a reset made, when that was. */
  readonly beganAt: number;
  readonly activities: readonly TemporalActivity[];
}

const RESET = proto.temporal.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW;

const CLOSE_EVENTS = {
  workflowExecutionCompletedEventAttributes: 'Success',
  workflowExecutionFailedEventAttributes: 'Error',
  workflowExecutionCanceledEventAttributes: 'Cancelled',
  workflowExecutionTerminatedEventAttributes: 'Terminated',
  workflowExecutionTimedOutEventAttributes: 'TimedOut',
  workflowExecutionContinuedAsNewEventAttributes: 'Continued',
} as const;

/** All runs of the namespace that Temporal lists, those that `known` names, and those that their histories name. */
export async function readTemporal(client: Client, known: readonly RunName[]): Promise<TemporalRun[]> {
  const waiting = [...known];
  for await (const { workflowId, runId } of client.workflow.list()) {
    waiting.push({ WorkflowID: workflowId, RunID: runId });
  }
  const runs = new Map<string, TemporalRun>();
  for (let name = waiting.pop(); name; name = waiting.pop()) {
    if (runs.has(name.RunID)) continue;
    const { events } = await client.workflow.getHandle(name.WorkflowID, name.RunID).fetchHistory();
    runs.set(name.RunID, parseRun(name, events ?? []));
    waiting.push(...(events ?? []).flatMap((event) => runsIn(event, name.WorkflowID)));
  }
  return [...runs.values()];
}

/** A copied prefix names the children of the base run, too; that is harmless. */
function runsIn(event: HistoryEvent, WorkflowID: string): RunName[] {
  const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
  if (child) return [{ WorkflowID: child.workflowId!, RunID: child.runId! }];
  const reset = event.workflowTaskFailedEventAttributes;
  const names = [
    event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId,
    event.workflowExecutionStartedEventAttributes?.continuedExecutionRunId,
    ...(reset?.cause === RESET ? [reset.baseRunId, reset.newRunId] : []),
  ];
  return names.filter((RunID) => !!RunID).map((RunID) => ({ WorkflowID, RunID: RunID! }));
}

function parseRun(name: RunName, events: readonly HistoryEvent[]): TemporalRun {
  const started = events[0]!.workflowExecutionStartedEventAttributes!;
  const last = events.at(-1)!;
  const close = Object.entries(CLOSE_EVENTS).find(([attributes]) => last[attributes as keyof HistoryEvent]);
  const resets = events.filter((event) => event.workflowTaskFailedEventAttributes?.cause === RESET);
  return {
    ...name,
    originalRunID: started.originalExecutionRunId || name.RunID,
    status: close?.[1],
    beganAt: milliseconds(resets.at(-1) ?? events[0]!),
    activities: parseActivities(events, Number(resets.at(-1)?.eventId ?? 0)),
  };
}

function parseActivities(events: readonly HistoryEvent[], resetAt: number): TemporalActivity[] {
  const activities = new Map<number, { -readonly [K in keyof TemporalActivity]: TemporalActivity[K] }>();
  for (const event of events) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      const fresh = { attempt: 0, reported: undefined, end: undefined, isCopied: false };
      activities.set(Number(event.eventId), { ActivityID: scheduled.activityId!, ...fresh });
    }
    const started = event.activityTaskStartedEventAttributes;
    if (started) {
      const activity = activities.get(Number(started.scheduledEventId))!;
      const { attempt, lastFailure } = started;
      activity.attempt = attempt ?? 1;
      activity.reported = lastFailure && !lastFailure.timeoutFailureInfo ? activity.attempt - 1 : undefined;
    }
    const [end, scheduledEventId] = activityEnd(event);
    if (end) {
      const activity = activities.get(Number(scheduledEventId))!;
      activity.end = end;
      activity.isCopied = Number(event.eventId) < resetAt;
    }
  }
  return [...activities.values()];
}

function activityEnd(event: HistoryEvent): [TemporalActivity['end'], unknown?] {
  const completed = event.activityTaskCompletedEventAttributes;
  if (completed) return ['success', completed.scheduledEventId];
  const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (failed) return ['failure', failed.scheduledEventId];
  const cancelled = event.activityTaskCanceledEventAttributes;
  return cancelled ? ['cancelled', cancelled.scheduledEventId] : [undefined];
}

function milliseconds({ eventTime }: HistoryEvent): number {
  return Number(eventTime?.seconds ?? 0) * 1_000 + (eventTime?.nanos ?? 0) / 1e6;
}
