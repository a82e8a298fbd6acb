/** Where a failed run has to go back to, so that what has failed is done again and what has succeeded is kept. */
import type { temporal } from '@temporalio/proto';

type Event = temporal.api.history.v1.IHistoryEvent;
type EventID = NonNullable<Event['eventId']>;

export interface ResetPoint {
  /** The workflow task that is to be done again. */
  readonly task: EventID;
  /** What it asked for; null where no step had failed. */
  readonly step: string | null;
}

/**
 * Before the task that asked for the step that the run failed of, else for the last one that failed, else before the last
 * of all. Undefined for a run that ended before any was done: it has nothing to keep.
 */
export function resetPoint(events: readonly Event[]): ResetPoint | undefined {
  const number = namedStep(events) ?? lastFailedStep(events);
  const asked = number === undefined ? undefined : events.find(({ eventId }) => String(eventId) === number);
  const activity = asked?.activityTaskScheduledEventAttributes;
  const child = asked?.startChildWorkflowExecutionInitiatedEventAttributes;
  const task =
    activity?.workflowTaskCompletedEventId ??
    child?.workflowTaskCompletedEventId ??
    events.findLast((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
  return task == null
    ? undefined
    : { task, step: (activity?.activityType ?? child?.workflowType)?.name ?? null };
}

/** The step whose failure became the run's: the number of the event that asked for it. */
function namedStep(events: readonly Event[]): string | undefined {
  let cause = events.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
  for (; cause; cause = cause.cause) {
    const asked =
      cause.activityFailureInfo?.scheduledEventId ??
      cause.childWorkflowExecutionFailureInfo?.initiatedEventId;
    if (asked != null) return String(asked);
  }
  return undefined;
}

/** For a workflow that fails with an error of its own. */
function lastFailedStep(events: readonly Event[]): string | undefined {
  const asked = events
    .map(
      (event) =>
        (event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes)
          ?.scheduledEventId ??
        (
          event.childWorkflowExecutionFailedEventAttributes ??
          event.childWorkflowExecutionTimedOutEventAttributes ??
          event.childWorkflowExecutionTerminatedEventAttributes
        )?.initiatedEventId,
    )
    .findLast((id) => id != null);
  return asked == null ? undefined : String(asked);
}
