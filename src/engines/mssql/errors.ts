/** What SQL Server's and the driver's errors mean here, and the messages of Babelfish where it has no number for them. */

import { BadConfig, Unreachable } from '../../domain/errors.js';

interface DriverError extends Error {
  readonly code?: unknown;
  readonly number?: unknown;
  readonly originalError?: unknown;
  /** A statement may fail with several messages, and the driver throws the last. */
  readonly precedingErrors?: readonly unknown[];
}

/** Deadlock, lock timeout, snapshot conflict, and a key that another transaction inserted in the same moment. */
const CONFLICTS = [1205, 1222, 3960, 2627, 2601];
const CONFLICT =
  /deadlock detected|could not serialize access|tuple concurrently updated|due to lock timeout/i;
const MISSING_RIGHTS = [229, 230, 262, 297, 300, 916, 1088, 2760, 15151, 15247];
const MISSING_RIGHT =
  /permission denied|permission was denied|must be owner of|do(?:es)? not have permission/i;
const LOST = ['ESOCKET', 'ECONNCLOSED', 'ECONNRESET', 'EPIPE', 'EINVALIDSTATE'];
const LOST_MESSAGE = /^(?:unexpected end of message stream|Connection (?:lost|closed)|socket hang up)/i;

export function isConflict(error: unknown): boolean {
  return hasNumber(error, CONFLICTS) || all(error).some(({ message }) => CONFLICT.test(message));
}

/** Whether a foreign key has refused a row. */
export function isMissingParent(error: unknown): boolean {
  return hasNumber(error, [547]);
}

export function isMissingRight(error: unknown): boolean {
  return hasNumber(error, MISSING_RIGHTS) || all(error).some(({ message }) => MISSING_RIGHT.test(message));
}

/** Whether the connection broke, so that the server has rolled back what was not committed. */
export function isLost(error: unknown): boolean {
  return all(error).some(({ code, message }) => LOST.includes(String(code)) || LOST_MESSAGE.test(message));
}

/** One line about a connection that broke or was not made. */
export function lossProblem(error: unknown, label: string): string {
  const { name, message } = error as Error;
  return name === 'ConnectionError' || name === 'TimeoutError'
    ? connectProblem(error, label)
    : `${label}: the connection broke: ${message}`;
}

/** A connection that was not made: because of what the URL says, or because the server does not answer now. */
export function connectError(error: unknown, label: string): BadConfig | Unreachable {
  const message = connectProblem(error, label);
  const Kind = hasNoAnswer(error) && !CERTIFICATE.test(message) ? Unreachable : BadConfig;
  return new Kind(message, { cause: error });
}

const NO_ANSWER = ['ESOCKET', 'ETIMEOUT', 'ECONNCLOSED', 'ENOTOPEN'];
const CERTIFICATE = /certificate/i;

function hasNoAnswer(error: unknown): boolean {
  const codes = causes(error).map(({ code }) => String(code));
  return codes.some((code) => NO_ANSWER.includes(code)) && !codes.includes('ELOGIN');
}

/** One line about a connection that was not made, with what to do. */
export function connectProblem(error: unknown, label: string): string {
  const codes = causes(error).map(({ code }) => String(code));
  const refusals = causes(error).flatMap((one) =>
    one instanceof AggregateError ? (one.errors as Error[]) : [],
  );
  const message = (error instanceof Error ? error.message : String(error))
    // A host with several addresses, as localhost has, fails with an error for each of them.
    .replace('Could not connect (sequence)', refusals[0]?.message ?? '$&')
    .replace(/\.$/, '');
  const because = `${label}: ${message}`;
  if (/acquire a connection/.test(message)) return `${label}: all connections stayed busy`;
  if (codes.some((code) => /CERT|ISSUER|SIGNATURE/.test(code)) || /certificate/i.test(message)) {
    return `${because}. Let the server have a certificate of a CA that this machine trusts (NODE_EXTRA_CA_CERTS names more of them), or add trustServerCertificate=true to the URL, which does not check it`;
  }
  if (codes.includes('ELOGIN') || codes.includes('EFEDAUTH')) {
    if (/database/i.test(message)) {
      return `${because}. Correct the database's name in the URL, create the database, or let a DBA give this login a user in it`;
    }
    return `${because}. Correct the user, the password or the authentication in the URL`;
  }
  if (codes.includes('EINSTLOOKUP') || /instance|\\/.test(message)) {
    return `${label} can't be reached: ${message}. Check the instance's name and that the SQL Server Browser runs, or name the port: mssql://…@host:1433/…`;
  }
  if (hasNoAnswer(error)) {
    return `${label} can't be reached: ${message}. Check host and port in the URL, that the server runs and that it speaks TDS there`;
  }
  return because;
}

export function hasNumber(error: unknown, numbers: readonly number[]): boolean {
  return all(error).some(({ number }) => numbers.includes(number as number));
}

function all(error: unknown): DriverError[] {
  if (!(error instanceof Error)) return [];
  const { precedingErrors = [] } = error as DriverError;
  return [error, ...precedingErrors].flatMap((one) => causes(one));
}

/** The driver wraps the errors of the layer below, and that one those of the socket. */
function causes(error: unknown): DriverError[] {
  if (!(error instanceof Error)) return [];
  const { originalError, cause } = error as DriverError;
  return [error, ...causes(originalError), ...(cause === originalError ? [] : causes(cause))];
}
