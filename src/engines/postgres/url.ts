/**
 * Reads a URL as libpq understands it: `postgres://user:password@host:5432/database?sslmode=verify-full`. What it does
 * not say comes from the driver, which looks at PGUSER, PGPASSWORD and the like.
 */
import type pg from 'pg';
import { BadConfig } from '../../domain/errors.js';
import { decodedPart, malformedUrl, unknownParameter } from '../shared/url.js';
import { readTls } from './tls.js';

export interface Server {
  readonly connection: pg.ClientConfig;
  /** What to call it in messages: scheme, host and database. */
  readonly label: string;
}

const PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'connect_timeout', 'application_name'];
const DEFAULT_CONNECT_TIMEOUT_S = 10;

const EXAMPLE =
  'postgres://host:5432/database, with ' +
  'user:password@ before the host and the signs : / ? # @ % in them encoded (@ is %40)';

export function readUrl(url: string): Server {
  const { protocol, username, password, hostname, host, port, pathname, searchParams } = split(url);
  const label = `${protocol}//${host}${pathname}`;
  checkNames(searchParams, label);
  const parameters = Object.fromEntries(searchParams);
  return {
    label,
    connection: {
      user: decoded(username, url),
      password: decoded(password, url),
      // An IPv6 address stands in brackets; a socket's folder is written with %2F.
      host: decoded(hostname.replace(/^\[(.*)\]$/, '$1'), url),
      port: port === '' ? undefined : Number(port),
      database: decoded(pathname.slice(1), url),
      ssl: readTls(parameters, label),
      connectionTimeoutMillis: connectTimeout(parameters['connect_timeout'], label) * 1_000,
      application_name: parameters['application_name'],
      fallback_application_name: 'batchtrail',
    },
  };
}

function split(url: string): URL {
  if (!/^postgres(ql)?:\/\//i.test(url) || !URL.canParse(url)) throw malformed(url);
  const parsed = new URL(url);
  const { pathname, search, hash } = parsed;
  // A sign of the password that is not encoded ends the host early, and the rest of the password turns up behind it.
  if (/[@/]/.test(pathname.slice(1)) || search.includes('@') || hash !== '') throw malformed(url);
  return parsed;
}

function decoded(part: string, url: string): string | undefined {
  return part === '' ? undefined : decodedPart(part, (cause) => malformed(url, cause));
}

const malformed = (url: string, cause?: unknown): BadConfig => malformedUrl(url, EXAMPLE, cause);

function checkNames(parameters: URLSearchParams, label: string): void {
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw unknownParameter(name, PARAMETERS, label);
  }
}

function connectTimeout(text: string | undefined, label: string): number {
  if (text === undefined) return DEFAULT_CONNECT_TIMEOUT_S;
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new BadConfig(
    `The URL of ${label} has connect_timeout=${text}. Write whole seconds, as in connect_timeout=10`,
  );
}
