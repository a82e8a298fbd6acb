/** Which batch wrote what to a folder of SQLite files: each statement has a connection of its own, which can only read. */
import { basename } from 'node:path';
import type { SqlRow } from '../../domain/table.js';
import type { TargetReader } from '../targetReaderContract.js';
import { BATCH_ID } from '../shared/incoming.js';
import { SqlTargetReader, targetTables } from '../shared/targetReader.js';
import { folderOf, openForReading, openIfDatabase, patiently, schemaFiles } from './connect.js';
import { query } from './query.js';
import { isReserved } from './tables.js';

export async function openTargetReader({ url }: { readonly url: string }): Promise<TargetReader> {
  const folder = folderOf(url);
  const files = [...schemaFiles(folder)].filter(([schema]) => !isReserved(schema));
  const tables: SqlRow[] = [];
  for (const [schema, file] of files) tables.push(...(await tablesIn(schema, file)));
  return new SqlTargetReader(
    {
      label: `sqlite:${basename(folder)}`,
      query: async (sql) => {
        // Which file is the first makes no difference: the statement names the schemas of its tables.
        const db = await openForReading(files[0]![1]);
        try {
          return await query(db, folder, sql);
        } finally {
          db.close();
        }
      },
      spelled: (name) => name,
      count: 'COUNT(*)',
      close: async () => undefined,
    },
    targetTables(tables),
  );
}

async function tablesIn(schema: string, file: string): Promise<SqlRow[]> {
  const db = await openIfDatabase(file);
  if (!db) return [];
  try {
    const select = `SELECT ? AS schema, T.name, (SELECT name FROM pragma_table_xinfo(T.name) WHERE name = '${BATCH_ID}' COLLATE NOCASE) AS batchColumn
      FROM sqlite_schema T WHERE T.type = 'table' AND T.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY T.name`;
    return await patiently(() => db.prepare<[string], SqlRow>(select).all(schema));
  } finally {
    db.close();
  }
}
