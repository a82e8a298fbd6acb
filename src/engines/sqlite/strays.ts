import type Database from 'better-sqlite3';
import type { Stray } from '../contract.js';
import { OF_BATCHES } from '../contract.js';

/** Rows whose batch is not there. Foreign keys prevent them, but only on connections that switch them on. */
export function findStrays(db: Database.Database): Stray[] {
  const ofTable = (table: string): string =>
    `SELECT '${table}' AS TableName, LogID, COUNT(*) AS RowsFound FROM main.${table}
     WHERE LogID NOT IN (SELECT LogID FROM main.PipelineLog)
     ${table === 'Seal' ? 'AND LogID NOT IN (SELECT LogID FROM main.Tombstone)' : ''} GROUP BY LogID`;
  return db.prepare<[], Stray>(OF_BATCHES.map(ofTable).join(' UNION ALL ')).all();
}
