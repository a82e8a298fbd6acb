/** What PostgreSQL says of a row that it does not take. */
import type pg from 'pg';
import { codeOf } from '../errors.js';

/** Invalid data, or a constraint. */
export function isAboutRow(error: unknown): error is pg.DatabaseError {
  return /^2[23]/.test(codeOf(error) ?? '');
}

/** Where in what was sent, or which values. */
export function reasonOf({ message, where, detail }: pg.DatabaseError): string {
  const place = where?.split('\n')[0] ?? detail;
  return place === undefined ? message : `${message} (${place})`;
}
