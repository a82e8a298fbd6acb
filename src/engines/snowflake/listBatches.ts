import type { Bind } from 'snowflake-sdk';
import { PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { BatchFilter } from '../contract.js';
import type { Statement } from './session.js';
import { readList, time } from './statements.js';

const SEARCHED = ['PipelineName', 'WorkflowID', 'ErrorMessage', 'CustomMessage'];

export function listBatches(
  schema: string,
  { pipeline, status, open, about, since, until, text, after, limit }: BatchFilter,
): Statement {
  const conditions: string[] = [];
  const binds: Bind[] = [];
  const where = (condition: string, ...values: Bind[]): void => {
    conditions.push(condition);
    binds.push(...values);
  };
  if (pipeline !== undefined) where('T.PipelineName = ?', pipeline);
  if (status !== undefined) where('T.Status = ?', status);
  if (open) where("T.Resolution = 'open'");
  if (about !== undefined) {
    where('(T.LogID = ? OR T.ReplayOfLogID = ? OR T.ResolvedByLogID = ?)', about, about, about);
  }
  if (since !== undefined) where(`T.StartTime >= ${time('?')}`, Date.parse(since));
  if (until !== undefined) where(`T.StartTime < ${time('?')}`, Date.parse(until));
  if (text !== undefined) {
    // Not LIKE: there is no sign in the text that would have to be escaped.
    const contains = SEARCHED.map((column) => `CONTAINS(LOWER(T.${column}), LOWER(?))`);
    where(`(${contains.join(' OR ')})`, ...SEARCHED.map(() => text));
  }
  if (after) {
    const [at, logID] = [Date.parse(after.StartTime), after.LogID];
    where(`(T.StartTime < ${time('?')} OR (T.StartTime = ${time('?')} AND T.LogID < ?))`, at, at, logID);
  }
  return {
    text: [
      `SELECT ${readList(PIPELINE_LOG_COLUMNS)} FROM ${schema}.PipelineLog T`,
      ...(conditions.length > 0 ? [`WHERE ${conditions.join(' AND ')}`] : []),
      'ORDER BY T.StartTime DESC, T.LogID DESC',
      ...(limit === undefined ? [] : [`LIMIT ${Math.trunc(limit)}`]),
    ].join('\n'),
    binds,
  };
}
