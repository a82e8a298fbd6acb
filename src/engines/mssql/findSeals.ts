import { SEAL_COLUMNS } from '../../domain/columns.js';
import type { Seal } from '../../domain/model.js';
import { inOrder } from './readBatches.js';
import { givenRunner } from './runGiven.js';
import type { Session } from './session.js';
import type { Statements } from './statements.js';

/** The latest of each batch. */
export function findSeals(session: Session, sql: Statements, logIDs: readonly number[]): Promise<Seal[]> {
  return givenRunner(session)<{ LogID: number }, Seal>(
    sql.findSeals,
    ['LogID'],
    inOrder(logIDs),
    SEAL_COLUMNS,
  );
}
