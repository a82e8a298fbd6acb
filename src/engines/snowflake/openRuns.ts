/** The statements of the looks at what is not certified yet. */
import type { UncertifiedPage, UncertifiedRun } from '../contract.js';
import { rowReader } from './rows.js';
import type { Statement } from './session.js';
import { readList } from './statements.js';

export const readUncertified = rowReader<UncertifiedRun>([
  'RunID',
  'LogID',
  'Status',
  'StartTime',
  'EndTime',
  'WorkflowID',
]);

export function uncertifiedRuns(
  schema: string,
  { namespace, ended, after, limit }: UncertifiedPage,
): Statement {
  const logID = after?.LogID ?? 0;
  return {
    text: `SELECT ${readList(['RunID', 'LogID', 'Status', 'StartTime', 'EndTime'])}, L.WorkflowID AS "WorkflowID"
      ${from(schema, ended)} AND T.LogID >= ? AND (T.LogID > ? OR T.RunID > ?)
      ORDER BY T.LogID, T.RunID LIMIT ${Math.trunc(limit)}`,
    binds: [namespace, logID, logID, after?.RunID ?? ''],
  };
}

export function countOpenRuns(schema: string, namespace: string): Statement {
  return { text: `SELECT COUNT(*) AS "runs" ${from(schema, false)}`, binds: [namespace] };
}

function from(schema: string, ended: boolean): string {
  return `FROM ${schema}.PipelineRun T JOIN ${schema}.PipelineLog L ON L.LogID = T.LogID
      WHERE T.CertifiedAt IS NULL AND T.EndTime IS ${ended ? 'NOT NULL' : 'NULL'}
        AND L.Namespace = ? AND L.WorkflowType IS NOT NULL`;
}
