import { PIPELINE_RUN_COLUMNS } from '../../domain/columns.js';
import type { PipelineRun } from '../../domain/model.js';
import { givenRunner } from './runGiven.js';
import type { Session } from './session.js';
import type { Statements } from './statements.js';

export function findRuns(
  session: Session,
  sql: Statements,
  runIDs: readonly string[],
): Promise<PipelineRun[]> {
  return givenRunner(session)<{ RunID: string }, PipelineRun>(
    sql.findRuns,
    ['RunID'],
    runIDs.map((RunID) => ({ RunID })),
    PIPELINE_RUN_COLUMNS,
  );
}
