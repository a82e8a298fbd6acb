import type Database from 'better-sqlite3';
import type { UncertifiedPage, UncertifiedRun } from '../contract.js';

export interface OpenRuns {
  page(page: UncertifiedPage): UncertifiedRun[];
  count(namespace: string): number;
}

type Bound = Omit<UncertifiedPage, 'ended' | 'after'> & { readonly logID: number; readonly runID: string };

/** The looks at what is not certified yet, prepared once for a connection. */
export function openRuns(db: Database.Database): OpenRuns {
  // Each condition on EndTime has an index, whose rows are in the order of the page.
  const from = (hasEnd: string): string =>
    `FROM PipelineRun R CROSS JOIN PipelineLog L ON L.LogID = R.LogID
     WHERE R.CertifiedAt IS NULL AND R.EndTime IS ${hasEnd} AND L.Namespace = @namespace AND L.WorkflowType IS NOT NULL`;
  const prepare = (hasEnd: string): Database.Statement<Bound, UncertifiedRun> =>
    db.prepare(
      `SELECT R.RunID, L.WorkflowID, R.LogID, R.Status, R.StartTime, R.EndTime ${from(hasEnd)}
         AND R.LogID >= @logID AND (R.LogID > @logID OR R.RunID > @runID)
       ORDER BY R.LogID, R.RunID LIMIT @limit`,
    );
  const [open, ended] = [prepare('NULL'), prepare('NOT NULL')];
  const count = db.prepare<{ namespace: string }, number>(`SELECT COUNT(*) ${from('NULL')}`).pluck();
  return {
    page: (page) => {
      const { namespace, after, limit } = page;
      const bound = { namespace, limit, logID: after?.LogID ?? 0, runID: after?.RunID ?? '' };
      return (page.ended ? ended : open).all(bound);
    },
    count: (namespace) => count.get({ namespace }) as number,
  };
}
