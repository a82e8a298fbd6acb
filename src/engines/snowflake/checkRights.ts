import { BadConfig } from '../../domain/errors.js';
import type { Database } from './database.js';
import { isForbidden, isMissing } from './errors.js';
import { grantsFor } from './migrations.js';
import { runAgain } from './runAgain.js';
import { TABLES } from './statements.js';

/** Finds out before a workflow is taken what would fail at its first event: with writes that change nothing. */
export async function checkRights(db: Database): Promise<void> {
  for (const table of TABLES) {
    const name = `${db.schema}.${table}`;
    try {
      await runAgain(
        db,
        `MERGE INTO ${name} T USING (SELECT LogID FROM ${name} WHERE FALSE) S ON T.LogID = S.LogID
         WHEN MATCHED THEN UPDATE SET LogID = S.LogID WHEN NOT MATCHED THEN INSERT (LogID) VALUES (S.LogID)`,
      );
    } catch (error) {
      if (!isForbidden(error) && !isMissing(error)) throw error;
      throw new BadConfig(
        `${db.label}: this role has no right to write to ${name}: ${(error as Error).message}. ` +
          `Let a DBA run: ${grantsFor(db.schema, '<role>')}`,
        { cause: error },
      );
    }
  }
}
