/** The law of a transfer: what the source has is what was extracted, staged, loaded or rejected, and is in the target. */
import { CountsDiffer, RowsRejected } from './errors.js';

export interface TableCounts {
  readonly table: string;
  /** Counted by the source in the snapshot. */
  readonly source: number;
  /** As the source said when it had sent the rows. */
  readonly extracted: number;
  /** In objects that the staging area has, whole. */
  readonly staged: number;
  /** As the target said when it had taken them. */
  readonly loaded: number;
  readonly rejected: number;
  /** Counted in the target, by BatchID, before the transaction ends. */
  readonly inTarget: number;
  /** All rows of the target's table. */
  readonly before: number;
  readonly after: number;
}

export function checkConserved(counts: TableCounts, { allowRejected }: { allowRejected: boolean }): void {
  const { table, source, extracted, staged, loaded, rejected, inTarget } = counts;
  mustBeSame(table, ['in the source', source], ['extracted', extracted]);
  mustBeSame(table, ['extracted', extracted], ['staged', staged]);
  mustBeSame(table, ['staged', staged], ['loaded or rejected', loaded + rejected]);
  mustBeSame(table, ['loaded', loaded], ['in the target with this BatchID', inTarget]);
  if (rejected > 0 && !allowRejected) {
    throw new RowsRejected(
      `${table}: the target refuses ${rejected} rows. Mend them, or set allowRejected, which leaves them out`,
    );
  }
}

function mustBeSame(table: string, [left, a]: [string, number], [right, b]: [string, number]): void {
  if (a === b) return;
  throw new CountsDiffer(
    `${table}: ${a} rows ${left}, ${b} ${right}: ${Math.abs(a - b)} ${b < a ? 'are missing' : 'are too many'}. ` +
      'The target was left as it was. Start a new run; if it ends like this again, the source or the staging area is not what it says',
  );
}

/** One line for people: every hop of one table. */
export function describeCounts(counts: TableCounts): string {
  const { source, extracted, staged, loaded, rejected, inTarget, before, after } = counts;
  return `source ${source}, extracted ${extracted}, staged ${staged}, loaded ${loaded}, rejected ${rejected}, in target ${inTarget} (rows before ${before}, after ${after})`;
}
