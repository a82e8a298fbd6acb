/**
 * The LogIDs of duplicate batches that were repaired, for one transaction. The worker that opened such a batch still
 * calls it by the LogID that is gone; its runs say where they are now.
 */
import type { PipelineEvent, PipelineRun } from '../../domain/model.js';

export class Homes {
  readonly #homes = new Map<number, number>();

  /** Whether there was something to learn. */
  learn(
    events: readonly PipelineEvent[],
    runs: ReadonlyArray<Pick<PipelineRun, 'RunID' | 'LogID'>>,
  ): boolean {
    const before = this.#homes.size;
    const homes = new Map(runs.map(({ RunID, LogID }) => [RunID, LogID]));
    for (const { RunID, LogID } of events) {
      const home = homes.get(RunID);
      if (home !== undefined && home !== LogID) this.#homes.set(LogID, home);
    }
    return this.#homes.size > before;
  }

  of(logID: number): number {
    return this.#homes.get(logID) ?? logID;
  }

  /** Rows of the caller's, as they are to be stored. */
  store<T extends { readonly LogID: number }>(rows: readonly T[]): readonly T[] {
    if (this.#homes.size === 0) return rows;
    return rows.map((row) => ({ ...row, LogID: this.of(row.LogID) }));
  }

  /** Asks for rows by the LogIDs that the caller knows, and answers with these. */
  async ask<T extends { readonly LogID: number }>(
    logIDs: readonly number[],
    find: (homes: readonly number[]) => Promise<T[]>,
  ): Promise<T[]> {
    if (this.#homes.size === 0) return find(logIDs);
    const rows = await find([...new Set(logIDs.map((logID) => this.of(logID)))]);
    return logIDs.flatMap((LogID) =>
      rows.filter((row) => row.LogID === this.of(LogID)).map((row) => ({ ...row, LogID })),
    );
  }
}
