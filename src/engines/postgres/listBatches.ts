import { PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { BatchFilter } from '../contract.js';
import { select } from './statements.js';

/** The statement of a listing. It has no name: each is planned for the values that it has. */
export function listBatches(
  schema: string,
  { pipeline, status, open, about, since, until, text, after, limit }: BatchFilter,
): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (pipeline !== undefined) conditions.push(`PipelineName = ${bind(pipeline)}`);
  if (status !== undefined) conditions.push(`Status = ${bind(status)}`);
  if (open) conditions.push("Resolution = 'open'");
  if (about !== undefined) {
    const logID = bind(about);
    conditions.push(`(LogID = ${logID} OR ReplayOfLogID = ${logID} OR ResolvedByLogID = ${logID})`);
  }
  if (since !== undefined) conditions.push(`StartTime >= ${bind(since)}`);
  if (until !== undefined) conditions.push(`StartTime < ${bind(until)}`);
  if (text !== undefined) conditions.push(contains(bind(`%${text.replace(/[\\%_]/g, String.raw`\$&`)}%`)));
  if (after) conditions.push(`(StartTime, LogID) < (${bind(after.StartTime)}, ${bind(after.LogID)})`);
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
  const page = limit === undefined ? '' : ` LIMIT ${bind(limit)}`;
  return {
    text: `${select(PIPELINE_LOG_COLUMNS, `${schema}.PipelineLog`)}${where} ORDER BY StartTime DESC, LogID DESC${page}`,
    values,
  };
}

/** Upper and lower case are those of the database's locale: the columns' own, "C", knows only ASCII letters. */
function contains(pattern: string): string {
  const columns = ['PipelineName', 'WorkflowID', 'ErrorMessage', 'CustomMessage'];
  return `(${columns.map((column) => `${column} COLLATE "default" ILIKE ${pattern}`).join(' OR ')})`;
}
