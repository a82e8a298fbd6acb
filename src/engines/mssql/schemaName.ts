import { BadConfig } from '../../domain/errors.js';

/** The audit's schema; without quotes and brackets, so that it may also stand in a text of the migrations. */
export function schemaName(schema = 'Audit'): string {
  const isOwn = /^(?:sys|guest|information_schema)$/i.test(schema);
  if (isOwn || !/^[\p{L}_][\p{L}\p{N}_$#@ -]{0,127}$/u.test(schema)) {
    throw new BadConfig(
      `The schema name ${JSON.stringify(schema)} can't be used in SQL Server. Use letters, digits and _, at most 128, and not a name of the system`,
    );
  }
  return schema;
}

/** Always in brackets: the name may be a word of SQL. */
export function quote(identifier: string): string {
  return `[${identifier.replaceAll(']', ']]')}]`;
}
