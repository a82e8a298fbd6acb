import type Database from 'better-sqlite3';
import { FAILED_STATUSES } from '../../domain/model.js';
import type { OldBatch, OldFilter } from '../contract.js';

const FAILED = FAILED_STATUSES.map((status) => `'${status}'`).join(', ');

/** What ended before a time started before it, too: that is what the index is by. */
export function oldBatches(
  db: Database.Database,
  { before, keepFailed, after, limit }: OldFilter,
): OldBatch[] {
  return db
    .prepare<[object], OldBatch>(
      `SELECT LogID, PipelineName, StartTime,
         (SELECT COUNT(*) FROM main.PipelineEvent E WHERE E.LogID = L.LogID) AS Events
       FROM main.PipelineLog L
       WHERE StartTime < @before AND EndTime < @before AND Status <> 'Running' AND Resolution IS NOT 'open'
         ${keepFailed ? `AND Status NOT IN (${FAILED})` : ''}
         AND NOT EXISTS (SELECT 1 FROM main.PipelineRun R WHERE R.LogID = L.LogID
           AND (R.Status = 'Running' OR (R.CertifiedAt IS NULL AND L.WorkflowType IS NOT NULL)))
         AND (StartTime, LogID) > (@startTime, @logID)
       ORDER BY StartTime, LogID LIMIT @limit`,
    )
    .all({ before, limit, startTime: after?.StartTime ?? '', logID: after?.LogID ?? 0 });
}
