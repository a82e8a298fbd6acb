import { PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import { cut } from '../../domain/text.js';
import type Driver from 'mssql';
import type { BatchFilter } from '../contract.js';
import { BINARY, cutLengthOf, list, MOST_CHARACTERS } from './columns.js';
import type { Inputs } from './session.js';

/** A collation for which upper and lower case are the same; on both products, and in every database. */
const UPPER_CASE = 'Latin1_General_CI_AS';

/** The statement that lists batches; only the conditions that are asked for, so that each finds its index. */
export function listStatement(
  driver: typeof Driver,
  schema: string,
  filter: BatchFilter,
): { text: string; inputs: Inputs } {
  const { pipeline, status, open, about, since, until, text, after, limit } = filter;
  const { NVarChar, Int, DateTime2 } = driver;
  const conditions: string[] = [];
  const inputs: Inputs = {};
  if (pipeline !== undefined) {
    // The first finds the index; the second tells upper from lower case.
    conditions.push(`[PipelineName] = @pipeline AND [PipelineName] = @pipeline COLLATE ${BINARY}`);
    inputs['pipeline'] = [NVarChar(MOST_CHARACTERS), cut(pipeline, cutLengthOf('PipelineName')!)];
  }
  if (status !== undefined) {
    conditions.push('[Status] = @status');
    inputs['status'] = [NVarChar(20), status];
  }
  if (open) conditions.push("[Resolution] = N'open'");
  if (about !== undefined) {
    conditions.push('([LogID] = @about OR [ReplayOfLogID] = @about OR [ResolvedByLogID] = @about)');
    inputs['about'] = [Int, about];
  }
  if (since !== undefined) {
    conditions.push('[StartTime] >= @since');
    inputs['since'] = [DateTime2(3), new Date(since)];
  }
  if (until !== undefined) {
    conditions.push('[StartTime] < @until');
    inputs['until'] = [DateTime2(3), new Date(until)];
  }
  if (text) {
    const parts = ['PipelineName', 'WorkflowID', 'ErrorMessage', 'CustomMessage'].map(
      (column) => `CHARINDEX(${upper('@text')}, ${upper(`[${column}]`)}) > 0`,
    );
    conditions.push(`(${parts.join(' OR ')})`);
    inputs['text'] = [NVarChar(MOST_CHARACTERS), text.slice(0, MOST_CHARACTERS)];
  }
  if (after !== undefined) {
    conditions.push('[StartTime] <= @afterTime AND ([StartTime] < @afterTime OR [LogID] < @afterLogID)');
    inputs['afterTime'] = [DateTime2(3), new Date(after.StartTime)];
    inputs['afterLogID'] = [Int, after.LogID];
  }
  if (limit !== undefined) inputs['limit'] = [Int, limit];
  return {
    text: `SELECT ${limit === undefined ? '' : 'TOP (@limit) '}${list(PIPELINE_LOG_COLUMNS)} FROM ${schema}.[PipelineLog]
      ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY [StartTime] DESC, [LogID] DESC`,
    inputs,
  };
}

/** Compared binary once the case is gone, because older collations take all 4-byte signs for the same. */
function upper(value: string): string {
  return `UPPER(${value} COLLATE ${UPPER_CASE}) COLLATE ${BINARY}`;
}
