/** The statements that make the audit's schema. */
import type { AuditOptions } from '../contract.js';
import type { Migration } from '../shared/migrations.js';
import { readMigrations } from '../shared/migrations.js';
import { quote, schemaName } from './schemaName.js';

export function migrationsFor(schema: string): Migration[] {
  return readMigrations(new URL('./migrations/', import.meta.url), quote(schema));
}

export function createSchema(schema: string): string {
  return `CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`;
}

export function createVersionTable(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${quote(schema)}.SchemaVersion (
  Version integer NOT NULL PRIMARY KEY,
  Name text NOT NULL,
  Checksum text NOT NULL,
  AppliedAt timestamptz(3) NOT NULL
)`;
}

/** Names and checksums of migrations are ours: they hold no quotes. */
export function recordVersion(schema: string, { version, name, checksum }: Migration): string {
  return (
    `INSERT INTO ${quote(schema)}.SchemaVersion (Version, Name, Checksum, AppliedAt)\n` +
    `VALUES (${version}, '${name}', '${checksum}', clock_timestamp())`
  );
}

/** Gives a role what it needs, once the tables are there: a worker SELECT, INSERT and UPDATE, a reader SELECT. */
export function grantsFor(schema: string, rights: string, role: string): string {
  return (
    `GRANT USAGE ON SCHEMA ${quote(schema)} TO ${role}; ` +
    `GRANT ${rights} ON ALL TABLES IN SCHEMA ${quote(schema)} TO ${role}`
  );
}

export function migrationScript(options: AuditOptions): string {
  const schema = schemaName(options.schema);
  const migrations = migrationsFor(schema);
  return [
    'BEGIN;',
    `${createSchema(schema)};`,
    `${createVersionTable(schema)};`,
    ...migrations.flatMap((migration) => [migration.sql.trim(), `${recordVersion(schema, migration)};`]),
    'COMMIT;',
    `-- A worker's role needs: ${grantsFor(schema, 'SELECT, INSERT, UPDATE', '<role>')};`,
    '',
  ].join('\n\n');
}
