/** The statement that lists what is old enough to be purged. */
import { FAILED_STATUSES } from '../../domain/model.js';
import type { OldBatch, OldFilter } from '../contract.js';
import { rowReader } from './rows.js';
import type { Statement } from './session.js';
import { readList, time } from './statements.js';

const COLUMNS = ['LogID', 'PipelineName', 'StartTime'] as const;
const FAILED = FAILED_STATUSES.map((status) => `'${status}'`).join(', ');

export const readOldBatch = rowReader<OldBatch>([...COLUMNS, 'Events']);

export function oldBatches(schema: string, { before, keepFailed, after, limit }: OldFilter): Statement {
  const cutoff = Date.parse(before);
  const startTime = after ? Date.parse(after.StartTime) : 0;
  const logID = after?.LogID ?? 0;
  return {
    text: `SELECT ${readList(COLUMNS)}, COALESCE(E.Events, 0) AS "Events"
      FROM (
        SELECT L.LogID, L.PipelineName, L.StartTime FROM ${schema}.PipelineLog L
        LEFT JOIN (
          SELECT LogID, MAX(IFF(Status = 'Running', 1, 0)) AS Goes, MAX(IFF(CertifiedAt IS NULL, 1, 0)) AS IsOpen
          FROM ${schema}.PipelineRun GROUP BY LogID
        ) R ON R.LogID = L.LogID
        WHERE L.StartTime < ${time('?')} AND L.EndTime < ${time('?')}
          AND L.Status NOT IN ('Running'${keepFailed ? `, ${FAILED}` : ''}) AND COALESCE(L.Resolution, '') <> 'open'
          AND COALESCE(R.Goes, 0) = 0 AND (COALESCE(R.IsOpen, 0) = 0 OR L.WorkflowType IS NULL)
          AND L.StartTime >= ${time('?')} AND (L.StartTime > ${time('?')} OR L.LogID > ?)
        ORDER BY L.StartTime, L.LogID LIMIT ${Math.trunc(limit)}
      ) T
      LEFT JOIN (SELECT LogID, COUNT(*) AS Events FROM ${schema}.PipelineEvent GROUP BY LogID) E ON E.LogID = T.LogID
      ORDER BY T.StartTime, T.LogID`,
    binds: [cutoff, cutoff, startTime, startTime, logID],
  };
}
