/**
 * Reads `mssql://user:password@host:1433/database?encrypt=true`. A named instance stands behind the host as people
 * write it, `localhost\SQLEXPRESS01`, and the SQL Server Browser of that host says which port it has.
 */
import type { config as DriverConfig } from 'mssql';
import { BadConfig } from '../../domain/errors.js';
import { decodedPart, malformedUrl, unknownParameter } from '../shared/url.js';
import { AUTHENTICATION_PARAMETERS, readAuthentication, windowsLogin } from './authentication.js';

export interface Server {
  readonly config: DriverConfig;
  /** What to call it in messages: scheme, host and database. */
  readonly label: string;
}

export type Parameters = ReadonlyMap<string, string>;

const KNOWN = [
  'encrypt',
  'trustServerCertificate',
  'connectTimeout',
  'requestTimeout',
  ...AUTHENTICATION_PARAMETERS,
];
const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;
const DEFAULT_REQUEST_TIMEOUT_MS = 60_000;

/** User, password, place, port, database, parameters: none of them may hold an @ that is not encoded. */
const PARTS =
  /^mssql:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^@/?#]+?)(?::(\d{1,5}))?(?:\/([^@/?#]*))?(?:\?([^@#]*))?$/i;
const PLACE = /^(?:\[([\da-f:.]+)\]|([^\\[\]:,\s]+))(?:\\([^\\[\]:,\s]+))?$/i;

const EXAMPLE =
  'mssql://user:password@host:1433/database or ' +
  'mssql://user:password@host\\instance/database, with the signs : / ? # @ % of user, password and parameters encoded (@ is %40)';

export function readUrl(url: string): Server {
  const parts = PARTS.exec(url);
  if (!parts) throw malformed(url);
  const [user, password, place = '', port, database] = parts
    .slice(1, 6)
    .map((part) => (part === undefined ? undefined : decoded(part, url)));
  const [, address, name, instance] = PLACE.exec(place) ?? [];
  if (!address && !name) throw malformed(url);
  const label = `mssql://${place}${port ? `:${port}` : ''}/${database ?? ''}`;
  const parameters = readParameters(parts[6] ?? '', url, label);
  return {
    label,
    config: {
      server: address ?? name!,
      ...(database && { database }),
      authentication: readAuthentication(user, password, parameters, label),
      connectionTimeout: milliseconds('connectTimeout', parameters, label) ?? DEFAULT_CONNECT_TIMEOUT_MS,
      requestTimeout: milliseconds('requestTimeout', parameters, label) ?? DEFAULT_REQUEST_TIMEOUT_MS,
      // Who names a port needs no Browser.
      ...(port && { port: Number(port) }),
      options: {
        ...(instance && !port && { instanceName: instance }),
        encrypt: choice('encrypt', ['true', 'false', 'strict'], parameters, label) ?? true,
        trustServerCertificate:
          choice('trustServerCertificate', ['true', 'false'], parameters, label) === true,
      },
    },
  };
}

function readParameters(query: string, url: string, label: string): Parameters {
  const parameters = new Map<string, string>();
  for (const pair of query.split('&').filter((pair) => pair !== '')) {
    const end = pair.includes('=') ? pair.indexOf('=') : pair.length;
    // A + stays a +, as secrets may hold it.
    const name = decoded(pair.slice(0, end), url);
    const known = KNOWN.find((one) => one.toLowerCase() === name.toLowerCase());
    if (/^(?:trusted_?connection|integrated ?security)$/i.test(name)) throw windowsLogin(label);
    if (!known) {
      throw unknownParameter(name, KNOWN, label);
    }
    parameters.set(known, decoded(pair.slice(end + 1), url));
  }
  return parameters;
}

function choice(
  name: string,
  words: readonly string[],
  parameters: Parameters,
  label: string,
): boolean | string | undefined {
  const word = parameters.get(name)?.toLowerCase();
  if (word === undefined) return undefined;
  if (!words.includes(word)) throw badValue(name, parameters, label, words.join(' or '));
  return word === 'true' || word === 'false' ? word === 'true' : word;
}

function milliseconds(name: string, parameters: Parameters, label: string): number | undefined {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw badValue(name, parameters, label, 'whole milliseconds, as in 15000');
  return Number(text);
}

function badValue(name: string, parameters: Parameters, label: string, wanted: string): BadConfig {
  return new BadConfig(
    `The URL of ${label} has ${name}=${JSON.stringify(parameters.get(name))}. Write ${wanted}`,
  );
}

function decoded(part: string, url: string): string {
  return decodedPart(part, (cause) => malformed(url, cause));
}

const malformed = (url: string, cause?: unknown): BadConfig => malformedUrl(url, EXAMPLE, cause);
