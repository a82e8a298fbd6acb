/** Which batch wrote what to a SQL Server database: each statement is looked at first, and its transaction taken back. */
import type { TargetReader } from '../targetReaderContract.js';
import { SqlTargetReader, targetTables } from '../shared/targetReader.js';
import { connect } from './connect.js';
import { query } from './query.js';
import { readUrl } from './url.js';

/** People's own conditions may take a while. */
const STATEMENT_MS = 5 * 60_000;

const TABLES = `
  SELECT T.TABLE_SCHEMA AS [schema], T.TABLE_NAME AS [name], MIN(C.COLUMN_NAME) AS [batchColumn]
  FROM INFORMATION_SCHEMA.TABLES T LEFT JOIN INFORMATION_SCHEMA.COLUMNS C
    ON C.TABLE_SCHEMA = T.TABLE_SCHEMA AND C.TABLE_NAME = T.TABLE_NAME AND LOWER(C.COLUMN_NAME) = 'batchid'
      AND LOWER(C.DATA_TYPE) IN ('tinyint', 'smallint', 'int', 'bigint', 'decimal', 'numeric')
  WHERE T.TABLE_TYPE = 'BASE TABLE' GROUP BY T.TABLE_SCHEMA, T.TABLE_NAME ORDER BY T.TABLE_SCHEMA, T.TABLE_NAME`;

export async function openTargetReader({ url }: { readonly url: string }): Promise<TargetReader> {
  const db = await connect(readUrl(url), { connections: 1, statementMs: STATEMENT_MS });
  const dialect = {
    label: db.label,
    query: (sql: string) => query(db, sql),
    spelled: (name: string) => name,
    count: 'COUNT_BIG(*)',
    close: () => db.close(),
  };
  try {
    return new SqlTargetReader(dialect, targetTables((await query(db, TABLES)).rows));
  } catch (error) {
    await dialect.close();
    throw error;
  }
}
