import { BadConfig } from '../../domain/errors.js';

const LONGEST_NAME = 63;

/** The audit's schema as PostgreSQL has it: people write `Audit.PipelineLog` without quotes, which means lower case. */
export function schemaName(schema = 'Audit'): string {
  // Only these letters: PostgreSQL, too, leaves all others as they are.
  const name = schema.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const isOwn = name.startsWith('pg_') || name === 'information_schema';
  if (!/^[\p{L}_][\p{L}\p{N}_$ -]*$/u.test(name) || isOwn || Buffer.byteLength(name) > LONGEST_NAME) {
    throw new BadConfig(
      `The schema name ${JSON.stringify(schema)} can't be used in PostgreSQL. Use letters, digits and _, at most ${LONGEST_NAME}, and not pg_ at the beginning`,
    );
  }
  return name;
}

/** Always in quotes: the name may be a word of SQL. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
