/**
 * `certified`: history and seal agree with every row. `gap`: history proves something that no row tells, or is not there
 * and must be. `altered`: a row differs from what history or the seal proves. `beyond retention`: Temporal has erased a
 * history, and the seal holds. `no history`: of an activity without a workflow, and the seal holds. `pending`: it ended
 * and is not certified yet. `running`: it goes on.
 */
export type Verdict =
  'certified' | 'gap' | 'altered' | 'beyond retention' | 'no history' | 'pending' | 'running';

export interface Verified {
  readonly LogID: number;
  readonly PipelineName: string;
  readonly WorkflowID: string | null;
  readonly verdict: Verdict;
  /** What is wrong, each in a sentence. */
  readonly findings: readonly string[];
}

/** Those that say nothing is wrong. */
export const HOLDS: readonly Verdict[] = ['certified', 'beyond retention', 'no history', 'running'];

export function holds({ verdict }: Pick<Verified, 'verdict'>): boolean {
  return HOLDS.includes(verdict);
}
