/** The same by the databases' own tools, as a script by hand would do it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { Destination, Places } from './destinations.js';
import { timed } from './shell.js';
import { COLUMNS } from './table.js';

const UPLOAD = fileURLToPath(new URL('./upload.mjs', import.meta.url));

interface Limit {
  readonly name: string;
  /** Answers the seconds. */
  run(places: Places, db: pg.Client): Promise<number>;
}

function psql({ postgresUrl }: Places, command: string): string {
  return `psql -q '${postgresUrl}' -c "${command}"`;
}

export const LIMITS: Readonly<Record<Destination, Limit>> = {
  s3: {
    name: 'psql COPY | gzip -1 | upload',
    run: (places) =>
      timed(
        `${psql(places, 'COPY bench.rows TO STDOUT (FORMAT csv)')} | gzip -1 | '${process.execPath}' '${UPLOAD}' '${places.s3.url}' limit/rows.csv.gz`,
      ),
  },
  sqlite: {
    name: 'COPY to a file, sqlite3 .import',
    async run(places) {
      const [csv, db] = ['rows.csv', 'limit.db'].map((name) => join(places.folder, name));
      const columns = COLUMNS.replace('timestamp with time zone', 'timestamptz');
      const seconds = await timed(
        `${psql(places, 'COPY bench.rows TO STDOUT (FORMAT csv)')} > '${csv}' && sqlite3 '${db}' 'CREATE TABLE rows (${columns})' '.mode csv' '.import ${csv} rows'`,
      );
      for (const file of [csv!, db!]) rmSync(file);
      return seconds;
    },
  },
  postgres: {
    name: 'psql COPY | psql COPY',
    async run(places, db) {
      await db.query('DROP SCHEMA IF EXISTS moved CASCADE; CREATE SCHEMA moved');
      await db.query(`CREATE TABLE moved.rows (${COLUMNS}); CHECKPOINT`);
      return timed(
        `${psql(places, 'COPY bench.rows TO STDOUT')} | ${psql(places, 'COPY moved.rows FROM STDIN')}`,
      );
    },
  },
};
