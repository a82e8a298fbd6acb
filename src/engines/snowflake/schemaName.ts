import { BadConfig } from '../../domain/errors.js';

const LONGEST_NAME = 255;

/**
 * The audit's schema in SQL. People write `Audit.PipelineLog` without quotes, which Snowflake takes for upper case; a
 * name that can't be written so stands in quotes, and keeps its case.
 */
export function schemaName(schema = 'Audit'): string {
  if (/^[a-z_][a-z0-9_$]*$/i.test(schema) && schema.length <= LONGEST_NAME && !isOwn(schema)) {
    return schema.toUpperCase();
  }
  if (/^[\p{L}_][\p{L}\p{N}_$ -]*$/u.test(schema) && schema.length <= LONGEST_NAME && !isOwn(schema)) {
    return `"${schema}"`;
  }
  throw new BadConfig(
    `The schema name ${JSON.stringify(schema)} can't be used in Snowflake. Use letters, digits and _, at most ${LONGEST_NAME}, and not INFORMATION_SCHEMA`,
  );
}

function isOwn(schema: string): boolean {
  return schema.toUpperCase() === 'INFORMATION_SCHEMA';
}
