/** The statements that make the audit's schema. Each can be run again: every DDL statement commits. */
import type { AuditOptions } from '../contract.js';
import type { Migration } from '../shared/migrations.js';
import { readMigrations } from '../shared/migrations.js';
import { schemaName } from './schemaName.js';

export function migrationsFor(schema: string): Migration[] {
  return readMigrations(new URL('./migrations/', import.meta.url), schema);
}

/** The statements of a file: each ends with a semicolon at the end of a line. */
export function statementsOf({ sql }: Migration): string[] {
  return sql
    .replace(/^\s*--.*\n/gm, '')
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

export function createSchema(schema: string): string {
  return `CREATE SCHEMA IF NOT EXISTS ${schema}`;
}

export function createVersionTable(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${schema}.SchemaVersion (
  Version NUMBER(38,0) NOT NULL,
  Name VARCHAR NOT NULL,
  Checksum VARCHAR NOT NULL,
  AppliedAt TIMESTAMP_NTZ(3) NOT NULL
)`;
}

/** Inserts one row for whoever is first. Names and checksums of migrations are ours: they hold no quotes. */
export function recordVersion(schema: string, { version, name, checksum }: Migration): string {
  return `MERGE INTO ${schema}.SchemaVersion T
USING (SELECT ${version} AS Version, '${name}' AS Name, '${checksum}' AS Checksum, SYSDATE() AS AppliedAt) S
ON T.Version = S.Version
WHEN NOT MATCHED THEN INSERT (Version, Name, Checksum, AppliedAt) VALUES (S.Version, S.Name, S.Checksum, S.AppliedAt)`;
}

/** What the role of a worker needs, once the tables are there. */
export function grantsFor(schema: string, role: string): string {
  return (
    `GRANT USAGE ON SCHEMA ${schema} TO ROLE ${role}; ` +
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ROLE ${role}`
  );
}

export function migrationScript(options: AuditOptions): string {
  const schema = schemaName(options.schema);
  return [
    `${createSchema(schema)};`,
    `${createVersionTable(schema)};`,
    ...migrationsFor(schema).flatMap((migration) => [
      migration.sql.trim(),
      `${recordVersion(schema, migration)};`,
    ]),
    `-- A worker's role needs USAGE on the database and a warehouse, and: ${grantsFor(schema, '<role>')};`,
    '',
  ].join('\n\n');
}
