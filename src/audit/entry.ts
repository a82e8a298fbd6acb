import type { Change } from './groupCommit.js';

/**
 * What becomes of a change while the store does not take it. `keep`: it goes to the outbox. `wait`: its caller waits.
 * `try`: its caller does without, and comes back to it.
 */
export type Fate = 'keep' | 'wait' | 'try';

export interface Terms {
  readonly fate: Fate;
  /** The worker that waits for it. */
  readonly from?: string | undefined;
  /** It may wait a little for something that it can be written with. */
  readonly isPatient?: boolean;
}

/** A change, and who waits for it. */
export interface Entry extends Change, Terms {
  readonly reject: (error: unknown) => void;
}
