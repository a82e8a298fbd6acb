import { isoTime } from './time.js';

/**
 * The audit's ActivityID. The SDK numbers a run's activities; an id that the user chose may be used again once its
 * activity has ended, and then only the time it was scheduled tells the two apart.
 */
export function stepID(activityID: string, scheduledAt: number): string {
  return isNumbered(activityID) ? activityID : `${activityID} (${isoTime(scheduledAt)})`;
}

/** Whether the SDK gave this id: a number that counts the run's activities. */
export function isNumbered(activityID: string): boolean {
  return /^\d{1,9}$/.test(activityID);
}
