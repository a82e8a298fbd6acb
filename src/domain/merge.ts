/** What becomes of an event when its row exists already. */
import type { EventType, PipelineEvent } from './model.js';

const ATTEMPT_ENDS: readonly EventType[] = ['success', 'failure', 'retry', 'cancelled', 'lost'];

export function isAttemptEnd(event: Pick<PipelineEvent, 'EventType'>): boolean {
  return ATTEMPT_ENDS.includes(event.EventType);
}

const LATE = 'late: reported when Temporal no longer waited for this attempt';

/**
 * The row to write, or undefined to leave the existing one as it is. Workers write events twice, when a step was repeated
 * after a kill, and late, when their store could not be reached while another worker read the history.
 */
export function mergeLiveEvent(
  existing: PipelineEvent | undefined,
  incoming: PipelineEvent,
): PipelineEvent | undefined {
  if (!existing) return incoming;
  // A start or a log line is written twice after a kill between writing and reporting: the first one stands.
  if (!isAttemptEnd(incoming)) {
    return existing.Witness === 'history' ? { ...incoming, Witness: 'both' } : undefined;
  }
  // Nobody had reported this end when somebody looked; meanwhile it is there.
  if (incoming.EventType === 'lost') return undefined;
  if (existing.EventType === 'lost') return foundAgain(existing, incoming);
  // The same attempt ran again (a local activity after its worker died): the later end is the one Temporal gets.
  if (existing.Witness === 'live') return incoming;
  return existing.Witness === 'history' ? toldByBoth(existing, incoming) : undefined;
}

/** An end that was taken for lost. What failed before it was missed did fail; a success came too late for Temporal. */
function foundAgain(lost: PipelineEvent, incoming: PipelineEvent): PipelineEvent {
  const Witness = lost.Witness === 'live' ? 'live' : 'both';
  const RetryStatus = lost.RetryStatus ?? incoming.RetryStatus;
  const end = { ...incoming, Witness, RetryStatus } as const;
  if (incoming.EventType === 'success' || incoming.EventTime > lost.EventTime) return markLate(end);
  return incoming.EventType === 'failure' && RetryStatus === 'retrying'
    ? { ...end, EventType: 'retry', AlertTriggered: false }
    : end;
}

/** History has told the end already, and has the last word on what it was; the worker knows more about it. */
function toldByBoth(known: PipelineEvent, incoming: PipelineEvent): PipelineEvent {
  const { EventType, RetryStatus, AlertTriggered } = known;
  const both = {
    ...incoming,
    EventType,
    RetryStatus,
    AlertTriggered,
    NextRetryTime: EventType === 'retry' ? incoming.NextRetryTime : null,
    Witness: 'both',
  } as const;
  if (incoming.EventType === EventType || incoming.EventType === 'retry') return both;
  const { ErrorType = null, ErrorMessage = null } = known.ErrorMessage === null ? incoming : known;
  const differs = { ...both, ErrorType, ErrorMessage };
  return incoming.EventType === 'success' ? markLate(differs) : differs;
}

export function isLate({ Message }: PipelineEvent): boolean {
  return Message !== null && (Message === LATE || Message.endsWith(`(${LATE})`));
}

export function markLate(event: PipelineEvent): PipelineEvent {
  const Message = event.Message === null ? LATE : `${event.Message} (${LATE})`;
  return { ...event, Message, AlertTriggered: false };
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
