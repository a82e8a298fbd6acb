import { TOMBSTONE_COLUMNS } from '../../domain/columns.js';
import type { Tombstone } from '../../domain/model.js';
import { givenRunner } from './runGiven.js';
import type { Session } from './session.js';
import type { Statements } from './statements.js';

export function findTombstones(
  session: Session,
  sql: Statements,
  runIDs: readonly string[],
): Promise<Tombstone[]> {
  return givenRunner(session)<{ RunID: string }, Tombstone>(
    sql.findTombstones,
    ['RunID'],
    runIDs.map((RunID) => ({ RunID })),
    TOMBSTONE_COLUMNS,
  );
}
