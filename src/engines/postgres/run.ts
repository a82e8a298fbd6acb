import type pg from 'pg';
import type { Statement } from './statements.js';
import type { Texts } from './rows.js';

/** Runs a statement and answers its rows; the driver sends it at once, also before earlier ones were answered. */
export async function run(
  client: pg.ClientBase,
  statement: Statement,
  values: readonly unknown[],
): Promise<Texts[]> {
  const result = await client.query<Array<string | null>>({
    ...statement,
    values: [...values],
    rowMode: 'array',
  });
  return result.rows;
}
