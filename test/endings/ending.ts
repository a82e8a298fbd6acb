import type { BatchRecord } from '../../src/domain/model.js';
import type { Observed } from './observe.js';
import type { Scene, Stage } from './stage.js';

/** One way for a batch to end, and what the audit must say about it. */
export interface Ending {
  readonly name: string;
  /** Makes it happen, and answers the ids of the workflows whose batches tell it. */
  play(scene: Scene): Promise<string[]>;
  /** One per batch, in order. */
  readonly expected: readonly Observed[];
  /** More that must hold of the rows; throws what is wrong. */
  readonly check?: (batches: BatchRecord[], scene: Scene) => void;
  /** Ends what the ending left running. */
  readonly after?: (scene: Scene) => Promise<unknown>;
  /** Sets up workers of its own, or stops them by force: there is no unaudited history to compare with. */
  readonly alone?: true;
}

export type { Scene, Stage };
