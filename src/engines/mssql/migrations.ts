/** The statements that make the audit's schema. */
import type { AuditOptions } from '../contract.js';
import type { Migration } from '../shared/migrations.js';
import { readMigrations } from '../shared/migrations.js';
import { quote, schemaName } from './schemaName.js';

export function migrationsFor(schema: string): Migration[] {
  return readMigrations(new URL('./migrations/', import.meta.url), quote(schema));
}

/** What the server has to get one after the other, as `GO` divides it. */
export function batchesOf(script: string): string[] {
  return script
    .split(/^[ \t]*GO[ \t]*$/im)
    .map((batch) => batch.trim())
    .filter((batch) => batch !== '');
}

/** CREATE SCHEMA has to be alone in its batch. */
export function createSchema(schema: string): string {
  return `IF SCHEMA_ID(N'${schema}') IS NULL EXEC(N'CREATE SCHEMA ${quote(schema)}')`;
}

export function createVersionTable(schema: string): string {
  return `IF OBJECT_ID(N'${quote(schema)}.[SchemaVersion]') IS NULL
CREATE TABLE ${quote(schema)}.[SchemaVersion] (
  [Version] INT NOT NULL PRIMARY KEY,
  [Name] NVARCHAR(255) NOT NULL,
  [Checksum] NVARCHAR(64) NOT NULL,
  [AppliedAt] DATETIME2(3) NOT NULL
)`;
}

/** Names and checksums of migrations are ours: they hold no quotes. */
export function recordVersion(schema: string, { version, name, checksum }: Migration): string {
  return (
    `INSERT INTO ${quote(schema)}.[SchemaVersion] ([Version], [Name], [Checksum], [AppliedAt])\n` +
    `VALUES (${version}, N'${name}', N'${checksum}', SYSUTCDATETIME())`
  );
}

/** What the user of a worker needs, once the tables are there. */
export function grantsFor(schema: string, user: string): string {
  return `GRANT SELECT, INSERT, UPDATE ON SCHEMA::${quote(schema)} TO ${user}`;
}

export function migrationScript(options: AuditOptions): string {
  const schema = schemaName(options.schema);
  const batches = migrationsFor(schema).flatMap((migration) => [
    ...batchesOf(migration.sql),
    recordVersion(schema, migration),
  ]);
  return [
    '-- Stop at the first error: sqlcmd -b does so.\n' +
      // Indexes with a WHERE need it, and sqlcmd has it off.
      'SET QUOTED_IDENTIFIER ON',
    createSchema(schema),
    createVersionTable(schema),
    ...batches,
    `-- A worker's user needs: ${grantsFor(schema, '<user>')}`,
  ]
    .map((batch) => `${batch}\nGO\n`)
    .join('\n');
}
