import { hash } from 'node:crypto';

/** One attempt has one start and one end, a run one input; log lines are numbered; a batch can be resolved more than once. */
export type Slot = 'start' | 'end' | 'input' | 'resolution' | `log:${number}`;

const LENGTH = 32;
/** As many digits of a RunID as Temporal fills with the time. */
const OF_RUN = 12;

/**
 * Derived, never random: whoever writes the event of this place writes the same id, so writing twice is harmless.
 * `text` tells apart two log lines that take the same number because a workflow task was done again differently, and how
 * and by which batch one was resolved.
 *
 * It begins like the RunID, so that the events of one run, and of runs of one time, are neighbours in the database's index:
 * a commit then writes few pages of it, however large it has become.
 */
export function eventID(
  runID: string,
  activityID: string | null,
  attempt: number | null,
  slot: Slot,
  text: readonly string[] = [],
): string {
  const ofRun = runID.replaceAll('-', '').slice(0, OF_RUN);
  const ofPlace = hash('sha256', JSON.stringify([runID, activityID, attempt, slot, ...text]));
  return ofRun + ofPlace.slice(0, LENGTH - ofRun.length);
}
