/** Which batch wrote what to a Snowflake database: each statement is looked at before it is sent. */
import type { TargetReader } from '../targetReaderContract.js';
import { SqlTargetReader, targetTables } from '../shared/targetReader.js';
import { query } from './query.js';
import { queryTag } from './queryTag.js';
import { Session, SESSION_SETTINGS } from './session.js';
import { newName } from './transfer/names.js';
import { readUrl } from './url.js';

const TABLES = `
  SELECT T.TABLE_SCHEMA AS "schema", T.TABLE_NAME AS "name", MIN(C.COLUMN_NAME) AS "batchColumn"
  FROM INFORMATION_SCHEMA.TABLES T LEFT JOIN INFORMATION_SCHEMA.COLUMNS C
    ON C.TABLE_SCHEMA = T.TABLE_SCHEMA AND C.TABLE_NAME = T.TABLE_NAME AND UPPER(C.COLUMN_NAME) = 'BATCHID' AND C.DATA_TYPE = 'NUMBER'
  WHERE T.TABLE_TYPE = 'BASE TABLE' AND T.TABLE_SCHEMA <> 'INFORMATION_SCHEMA'
  GROUP BY T.TABLE_SCHEMA, T.TABLE_NAME ORDER BY T.TABLE_SCHEMA, T.TABLE_NAME`;

export async function openTargetReader({ url }: { readonly url: string }): Promise<TargetReader> {
  const target = readUrl(url);
  const session = await Session.open(target);
  const dialect = {
    label: target.label,
    query: (sql: string) => query(session, sql),
    spelled: newName,
    count: 'COUNT(*)',
    close: () => session.close(),
  };
  try {
    await session.run({ text: SESSION_SETTINGS }, { tag: queryTag() });
    return new SqlTargetReader(dialect, targetTables((await query(session, TABLES)).rows));
  } catch (error) {
    await dialect.close();
    throw error;
  }
}
