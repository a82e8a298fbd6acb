import { BadConfig } from '../../domain/errors.js';
import type { Database } from './database.js';
import { isForbidden, isMissing } from './errors.js';
import { grantsFor } from './migrations.js';
import { runAgain } from './runAgain.js';
import type { Table } from './statements.js';

/** Of each table that is written to, also only for its lock, a column that a write may name. */
const COLUMNS: Readonly<Record<Table, string>> = {
  PipelineLog: 'LogID',
  PipelineRun: 'LogID',
  PipelineEvent: 'LogID',
  Alert: 'LogID',
  Store: 'StoreID',
  Seal: 'LogID',
  Tombstone: 'LogID',
  Turn: 'Scope',
};

/** Finds out before a workflow is taken what would fail at its first event: with writes that change nothing. */
export async function checkRights(db: Database): Promise<void> {
  for (const [table, column] of Object.entries(COLUMNS)) {
    const name = `${db.schema}.${table}`;
    try {
      await runAgain(
        db,
        `MERGE INTO ${name} T USING (SELECT ${column} FROM ${name} WHERE FALSE) S ON T.${column} = S.${column}
         WHEN MATCHED THEN UPDATE SET ${column} = S.${column}
         WHEN NOT MATCHED THEN INSERT (${column}) VALUES (S.${column})`,
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
