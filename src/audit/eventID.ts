import { hash } from 'node:crypto';

/** One attempt has one start and one end, a run one input; log lines are numbered; a batch can be resolved more than once. */
export type Slot = 'start' | 'end' | 'input' | 'resolution' | `log:${number}`;

/**
 * Derived, never random: whoever writes the event of this place writes the same id, so writing twice is harmless.
 * `text` tells apart two log lines that take the same number because a workflow task was done again differently, and how
 * and by which batch one was resolved.
 */
export function eventID(
  runID: string,
  activityID: string | null,
  attempt: number | null,
  slot: Slot,
  text: readonly string[] = [],
): string {
  return hash('sha256', JSON.stringify([runID, activityID, attempt, slot, ...text])).slice(0, 32);
}
