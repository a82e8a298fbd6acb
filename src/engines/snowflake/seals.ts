/** The chain of seals. Snowflake enforces no key, so that it has no fork is up to the statements here. */
import { SEAL_COLUMNS } from '../../domain/columns.js';
import type { Seal } from '../../domain/model.js';
import type { SealFilter } from '../contract.js';
import { rowReader } from './rows.js';
import type { Row, Statement } from './session.js';
import { ids, readList } from './statements.js';
import type { Tables } from './tables.js';

export const readSeal: (row: Row) => Seal = rowReader<Seal>(SEAL_COLUMNS);

/** The latest of each batch. */
export async function findSeals(tables: Tables, logIDs: readonly number[]): Promise<Seal[]> {
  if (logIDs.length === 0) return [];
  return (await tables.frame.read(['Seal'], latestSeals(tables.name('Seal'), logIDs))).map(readSeal);
}

export function latestSeals(table: string, logIDs: readonly number[]): Statement {
  const { text, binds } = ids(logIDs);
  return {
    text: `${select(table)} WHERE T.LogID IN ${text}
      QUALIFY ROW_NUMBER() OVER (PARTITION BY T.LogID ORDER BY T.SealNo DESC) = 1`,
    binds,
  };
}

/**
 * Locks the one row that is there also before the first seal is, until the transaction ends. Unlike batches, at once: all
 * workers add to this one chain, and doing the work again would cost more than waiting.
 */
export async function lastSeal(tables: Tables): Promise<Seal | undefined> {
  const store = tables.name('Store');
  tables.frame.write({ table: 'Store', statements: [{ text: `UPDATE ${store} SET StoreID = StoreID` }] });
  // What is held back for other tables goes first, so that the locks are taken in their order.
  const [row] = await tables.frame.read(['Store', 'Seal'], {
    text: `${select(tables.name('Seal'))} ORDER BY T.SealNo DESC LIMIT 1`,
  });
  return row && readSeal(row);
}

/** Each SealNo must be free. */
export function insertSeals(tables: Tables, seals: readonly Seal[]): void {
  tables.merge('Seal', seals, SEAL_COLUMNS, { keys: ['SealNo'], insert: SEAL_COLUMNS, must: true });
}

export function listSeals(schema: string, { logID, after = 0, limit }: SealFilter): Statement {
  const ofBatch = logID === undefined ? '' : 'AND T.LogID = ?';
  return {
    text: `${select(`${schema}.Seal`)} WHERE T.SealNo > ? ${ofBatch} ORDER BY T.SealNo LIMIT ${Math.trunc(limit)}`,
    binds: [after, ...(logID === undefined ? [] : [logID])],
  };
}

function select(table: string): string {
  return `SELECT ${readList(SEAL_COLUMNS)} FROM ${table} T`;
}
