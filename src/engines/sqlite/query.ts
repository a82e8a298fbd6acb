/** A person's own SELECT, on a connection that can only read. */
import type Database from 'better-sqlite3';
import { BadInput } from '../../domain/errors.js';
import type { SqlRow } from '../../domain/table.js';
import { patiently, quote, schemaFiles } from './connect.js';

export interface Answer {
  readonly columns: string[];
  readonly rows: SqlRow[];
}

export async function query(db: Database.Database, folder: string, sql: string): Promise<Answer> {
  try {
    attachNamed(db, folder, sql);
    const statement = db.prepare(sql).safeIntegers(true);
    if (!statement.reader)
      throw new BadInput('Only statements that read are possible here: this connection can not write');
    return {
      columns: statement.columns().map(({ name }) => name),
      rows: await patiently(() => statement.all() as SqlRow[]),
    };
  } catch (error) {
    if (error instanceof BadInput) throw error;
    throw new BadInput(`The database refused the statement: ${(error as Error).message}`, { cause: error });
  }
}

/** SQLite attaches ten files at the most, so only those that the statement may mean; they are read-only like the first. */
function attachNamed(db: Database.Database, folder: string, sql: string): void {
  const text = sql.toLowerCase();
  const attached = new Set(db.prepare('SELECT name FROM pragma_database_list').pluck().all());
  for (const [name, file] of schemaFiles(folder)) {
    if (attached.has(name) || !text.includes(name.toLowerCase()) || name === 'main') continue;
    db.prepare(`ATTACH ? AS ${quote(name)}`).run(file);
  }
}
