/** Where a failed run has to go back to, so that what has failed is done again and what has succeeded is kept. */
import type { temporal } from '@temporalio/proto';

type Event = temporal.api.history.v1.IHistoryEvent;

/**
 * The workflow task that is to be done again: the one that asked for the first step that failed for good, else the last
 * one. Undefined for a run that ended before any was done: it has nothing to keep.
 */
export function resetPoint(events: readonly Event[]): NonNullable<Event['eventId']> | undefined {
  const failed = new Set(
    events
      .map((event) => event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes)
      .map((failure) => String(failure?.scheduledEventId ?? '')),
  );
  const childrenFailed = new Set(
    events
      .map(
        (event) =>
          event.childWorkflowExecutionFailedEventAttributes ??
          event.childWorkflowExecutionTimedOutEventAttributes ??
          event.childWorkflowExecutionTerminatedEventAttributes,
      )
      .map((failure) => String(failure?.initiatedEventId ?? '')),
  );
  const asked = events.find(
    ({
      eventId,
      activityTaskScheduledEventAttributes,
      startChildWorkflowExecutionInitiatedEventAttributes,
    }) =>
      (activityTaskScheduledEventAttributes && failed.has(String(eventId))) ||
      (startChildWorkflowExecutionInitiatedEventAttributes && childrenFailed.has(String(eventId))),
  );
  const task =
    asked?.activityTaskScheduledEventAttributes?.workflowTaskCompletedEventId ??
    asked?.startChildWorkflowExecutionInitiatedEventAttributes?.workflowTaskCompletedEventId ??
    events.findLast((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
  return task ?? undefined;
}
