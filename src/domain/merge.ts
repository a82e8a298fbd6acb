/** What becomes of an event when its row exists already: workers write events twice, late, and after history spoke. */
import type { EventType, PipelineEvent } from './model.js';

const ATTEMPT_ENDS: readonly EventType[] = ['success', 'failure', 'retry', 'cancelled', 'lost'];

export function isAttemptEnd(event: Pick<PipelineEvent, 'EventType'>): boolean {
  return ATTEMPT_ENDS.includes(event.EventType);
}

const LATE = 'late: reported when Temporal no longer waited for this attempt';

/** The row to write, or undefined to leave the existing one as it is. */
export function mergeLiveEvent(
  existing: PipelineEvent | undefined,
  incoming: PipelineEvent,
): PipelineEvent | undefined {
  if (!existing) return incoming;
  // A start or a log line is written twice after a kill between writing and reporting: the first one stands.
  if (!isAttemptEnd(incoming)) return undefined;
  // Nobody had reported this end when somebody looked; meanwhile it is there.
  if (incoming.EventType === 'lost') return undefined;
  if (existing.EventType === 'lost') return markLate({ ...incoming, RetryStatus: existing.RetryStatus });
  // The same attempt ran again (a local activity after its worker died): the later end is the one Temporal gets.
  if (existing.Witness === 'live') return incoming;
  return undefined;
}

export function isLate({ Message }: PipelineEvent): boolean {
  return Message !== null && (Message === LATE || Message.endsWith(`(${LATE})`));
}

export function markLate(event: PipelineEvent): PipelineEvent {
  return { ...event, Message: event.Message === null ? LATE : `${event.Message} (${LATE})` };
}

/** The end of an attempt that nobody reported: its worker died, or Temporal stopped waiting for it. */
export function lostEnd(
  start: PipelineEvent,
  eventID: string,
  at: string,
  why: string,
  witness: PipelineEvent['Witness'],
): PipelineEvent {
  return {
    ...start,
    EventID: eventID,
    EventType: 'lost',
    EventTime: at,
    DurationMs: Math.max(0, Date.parse(at) - Date.parse(start.EventTime)),
    Message: why,
    Witness: witness,
  };
}
