/**
 * The numbered SQL files of an engine, and what of them a database still lacks. How they are applied, and under which
 * lock, is the engine's own.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { BadConfig } from '../../domain/errors.js';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** Of the file as it is shipped, whatever the schema is called. */
  readonly checksum: string;
}

/** What `SchemaVersion` says of a migration that was applied. */
export interface AppliedMigration {
  readonly version: number;
  readonly checksum: string;
}

/** The files of a `migrations/` folder, in order; `${schema}` in them becomes the schema's quoted name. */
export function readMigrations(folder: URL, quotedSchema: string): Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .sort()
    .map((name) => {
      // Git may have given the file other line ends on Windows.
      const text = readFileSync(new URL(name, folder), 'utf8').replaceAll('\r\n', '\n');
      return {
        version: Number(name.slice(0, 4)),
        name,
        sql: text.replaceAll('${schema}', quotedSchema),
        checksum: createHash('sha256').update(text).digest('hex'),
      };
    });
}

/** Those that were not applied yet. `place` names the database in errors. */
export function missingMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
  place: string,
): Migration[] {
  const newest = known.at(-1)?.version ?? 0;
  const current = Math.max(0, ...applied.map(({ version }) => version));
  if (current > newest) {
    throw new BadConfig(
      `The audit schema in ${place} has version ${current}, this batchtrail knows up to ${newest}. Upgrade the batchtrail package`,
    );
  }
  for (const { version, checksum } of applied) {
    const migration = known.find((one) => one.version === version);
    if (migration?.checksum !== checksum) {
      throw new BadConfig(
        `The audit schema in ${place} was made by another ${migration?.name ?? `migration ${version}`} than this batchtrail has. Use the batchtrail version that made it, or a new schema`,
      );
    }
  }
  return known.filter(({ version }) => !applied.some((one) => one.version === version));
}
