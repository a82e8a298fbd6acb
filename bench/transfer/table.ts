/** The table that is moved: nine columns of mixed types, about 129 bytes a row as CSV. */
import type pg from 'pg';

export const COLUMNS = `id bigint NOT NULL, customer integer NOT NULL, code varchar(12), amount numeric(12, 2), ratio double precision,
  active boolean, note text, day date, changed timestamp with time zone`;

/** Makes and fills it, and answers how many bytes it has as CSV. */
export async function fill(db: pg.Client, name: string, rows: number): Promise<number> {
  await db.query(`CREATE SCHEMA IF NOT EXISTS bench; CREATE TABLE ${name} (${COLUMNS})`);
  await db.query(
    `INSERT INTO ${name}
     SELECT i, (i * 7919) % 100000, 'C' || lpad(((i * 104729) % 10000000)::text, 8, '0'), ((i * 31337) % 10000000) / 100.0,
       ((i * 2654435761) % 1000003) / 1000003.0::float8, i % 3 = 0,
       CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'said "so", and went' ELSE 'order ' || md5(i::text) || ' of a customer' END,
       date '2020-01-01' + (i % 1800)::int, timestamp with time zone '2024-01-01 00:00+00' + i * interval '1.37 seconds'
     FROM generate_series(1, ${rows}::bigint) AS i`,
  );
  await db.query(`ALTER TABLE ${name} ADD PRIMARY KEY (id)`);
  await db.query(`VACUUM ANALYZE ${name}`);
  const sample = await db.query<{ bytes: number }>(
    `SELECT avg(length(concat_ws(',', T.*)) + 1)::float8 AS bytes FROM (SELECT * FROM ${name} LIMIT 10000) T`,
  );
  return sample.rows[0]!.bytes * rows;
}
