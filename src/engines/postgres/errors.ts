/** What PostgreSQL's and the driver's errors mean here: https://www.postgresql.org/docs/current/errcodes-appendix.html */
import type pg from 'pg';
import { BadConfig, Unreachable } from '../../domain/errors.js';

const NO_RIGHT = '42501';
/** Serialization failure, deadlock, lock timeout, and a key that another transaction inserted in the same moment. */
const CONFLICTS = ['40001', '40P01', '55P03', '23505'];

export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** Whether the database refused what it was asked; not so when it ended the connection. */
export function isRefusal(error: unknown): error is pg.DatabaseError {
  return error instanceof Error && 'severity' in error && !codeOf(error)?.startsWith('57P');
}

export function isConflict(error: unknown): boolean {
  return CONFLICTS.includes(codeOf(error) ?? '');
}

export function isMissingRight(error: unknown): boolean {
  return codeOf(error) === NO_RIGHT;
}

const NO_ANSWER = /^(?:ENOTFOUND|EAI_|ECONN|EHOST|ENET|EPIPE|ETIMEDOUT|ENOENT)|timeout|terminated/i;

/** What to do about a connection that was not made, by the error's code and message. The first that fits counts. */
const REMEDIES: ReadonlyArray<readonly [RegExp, string]> = [
  [/^28P01|SASL:/, 'Correct the user or the password in the URL'],
  [/^28000.*no encryption/, 'The server wants TLS: add sslmode=require or sslmode=verify-full to the URL'],
  [/^28000/, 'Correct the user in the URL, or let a DBA allow the login (pg_hba.conf)'],
  [/^3D000/, "Correct the database's name in the URL, or create the database"],
  [/^42501/, 'Let a DBA grant CONNECT on the database'],
  [/timeout exceeded when trying to connect/, 'All connections stayed busy; try again when less is written'],
  [NO_ANSWER, 'The server can not be reached: check host and port in the URL, and that the server runs'],
  [/does not support SSL/, 'Switch TLS on in the server, or use sslmode=disable'],
  [/^ERR_TLS_CERT_ALTNAME/, 'Use the host name that the certificate is for, or sslmode=verify-ca'],
  [
    /^[A-Z_]*(?:CERT|ISSUER|SIGNATURE)/,
    "Name the file of the certificate's CA with sslrootcert=…, or use sslmode=require, which does not check it",
  ],
  [/^ERR_(?:OSSL|SSL|TLS)/, 'Check the files of sslrootcert, sslcert and sslkey'],
];

/** A connection that was not made: because of what the URL says, or because the server does not answer now. */
export function connectError(error: unknown, label: string): BadConfig | Unreachable {
  const message = connectProblem(error, label);
  const Kind = isOutage(firstOf(error)) ? Unreachable : BadConfig;
  return new Kind(message, { cause: error });
}

/** Starting, stopping, or full of connections; and what the network says. */
function isOutage(error: unknown): boolean {
  return /^(?:57P|53)/.test(codeOf(error) ?? '') || NO_ANSWER.test(textOf(error));
}

/** One line about a connection that was not made, with what to do. The driver's messages hold no password. */
export function connectProblem(error: unknown, label: string): string {
  const first = firstOf(error);
  const message = first instanceof Error ? first.message : String(first);
  const remedy = REMEDIES.find(([pattern]) => pattern.test(textOf(first)))?.[1];
  return `${label}: ${message}${remedy ? `. ${remedy}` : ''}`;
}

/** A host with several addresses, as localhost has, fails with an error for each of them. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors[0] as unknown) : error;
}

function textOf(error: unknown): string {
  return `${codeOf(error) ?? ''} ${error instanceof Error ? error.message : String(error)}`;
}
