/** Purging old batches: what the workflow and its activities say to each other. */
import { duration } from './duration.js';
import type { Check } from './shape.js';
import { flag, object, optional } from './shape.js';

/** The workflow's name: tombstones are held against batches of this type. */
export const PURGE_WORKFLOW = 'purgeAudit';

/** What stays, however old it is. */
export interface Kept {
  /** Batches that failed, also when they were repaired or dismissed. */
  readonly keepFailed?: boolean | undefined;
  /** What open batches, and those that run, go back to: the batches that they continue or are children of, and those before. */
  readonly keepOpen?: boolean | undefined;
}

export interface PurgeInput extends Kept {
  /** How long ago a batch ended that is purged, as `30d` or `12h`. */
  readonly olderThan: string;
}

/** How far a purge has come: batches that stay are not looked at twice. */
export interface PurgeCursor {
  readonly StartTime: string;
  readonly LogID: number;
}

export interface PurgeStep extends Kept {
  /** Batches that ended before this time are purged. */
  readonly before: string;
  /** How many earlier steps have purged, and how far they have come. */
  readonly purgedBefore: number;
  readonly after?: PurgeCursor | undefined;
}

export interface PurgeStepResult {
  /** How many batches this step has purged. */
  readonly rowsProcessed: number;
  /** Where the next step goes on, unless there is no more. */
  readonly after?: PurgeCursor | undefined;
}

export interface PurgeResult {
  /** How many batches were purged. */
  readonly rowsProcessed: number;
  /** What they had left in staging areas and tables. */
  readonly staged: StagedRemoved;
}

export interface StagedRemoved {
  readonly objects: number;
  readonly rows: number;
}

export interface PurgeActivities {
  purgeBatches(step: PurgeStep): Promise<PurgeStepResult>;
  purgeStaging(): Promise<StagedRemoved>;
}

const check: Check<Omit<PurgeInput, 'olderThan'> & { olderThan: number }> = object({
  olderThan: duration,
  keepFailed: optional(flag),
  keepOpen: optional(flag),
});

/** `olderThan` in milliseconds. */
export function checkPurgeInput(value: unknown): Kept & { olderThan: number } {
  return check(value, `${PURGE_WORKFLOW} input`);
}
