import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { engineFor } from '../../src/engines/index.js';

it('docs/audit.md names every table of the audit, and every column where it is about that table', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-docs-'));
  const url = `sqlite:${folder}`;
  const store = await (await engineFor(url, 'url')).openAuditStore({ url });
  await store.migrate();
  await store.close();
  const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
  const sections = page.split(/^## /m);
  const db = new Database(join(folder, 'Audit.db'), { readonly: true });
  const tables = db.prepare(
    `SELECT T.name AS "table", C.name AS "column" FROM sqlite_schema T JOIN pragma_table_info(T.name) C
     WHERE T.type = 'table' AND T.name NOT LIKE 'sqlite_%'`,
  );
  const columns = tables.all() as Array<{ table: string; column: string }>;
  db.close();
  rmSync(folder, { recursive: true });
  expect(columns.length).toBeGreaterThan(80);
  const untold = columns.filter(({ table, column }) => {
    const section = sections.find((text) => text.split('\n')[0]!.includes(`Audit.${table}`)) ?? '';
    return !new RegExp(`\\b${column}\\b`).test(section);
  });
  expect(untold).toEqual([]);
});
