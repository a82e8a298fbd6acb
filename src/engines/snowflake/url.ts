/**
 * Reads `snowflake://user:password@account/database?warehouse=W&role=R`. Without a password the parameters say how the
 * user proves who it is: `privateKeyPath` (with `privateKeyPass`) for a key pair, or `token`. `stage` is for transfers.
 */
import type { ConnectionOptions } from 'snowflake-sdk';
import { BadConfig } from '../../domain/errors.js';
import { decodedPart, malformedUrl, unknownParameter } from '../shared/url.js';
import { checkKeyFile } from './keyFile.js';

export interface Target {
  readonly connection: ConnectionOptions;
  /** What to call it in messages: scheme, account and database. */
  readonly label: string;
  /** The external stage over the bucket that transfers stage in, as it stands in SQL. */
  readonly stage?: string | undefined;
}

const PARAMETERS = [
  'warehouse',
  'role',
  'authenticator',
  'privateKeyPath',
  'privateKeyPass',
  'token',
  'accessUrl',
  'stage',
] as const;
type Parameters = Partial<Record<(typeof PARAMETERS)[number], string>>;

/** The ways to log in that need nobody at a browser. The driver takes a name that it does not know for SNOWFLAKE. */
const AUTHENTICATORS = ['SNOWFLAKE', 'SNOWFLAKE_JWT', 'OAUTH', 'PROGRAMMATIC_ACCESS_TOKEN'];

const EXAMPLE =
  'snowflake://account/database?warehouse=…, with ' +
  'user:password@ before the account and the signs : / ? # @ % in them encoded (@ is %40)';

export function readUrl(url: string): Target {
  const { username, password, hostname, pathname, searchParams } = split(url);
  const account = hostname.replace(/\.snowflakecomputing\.com$/i, '');
  const database = decoded(pathname.slice(1), url)!;
  const label = `snowflake://${account}/${database}`;
  const parameters = readParameters(searchParams, label);
  const login = { username: decoded(username, url), password: decoded(password, url) };
  return {
    label,
    stage: stageName(parameters.stage, label),
    connection: {
      account,
      database,
      ...withoutUndefined(login),
      ...withoutUndefined({
        warehouse: parameters.warehouse,
        role: parameters.role,
        accessUrl: accessUrl(parameters.accessUrl, label),
      }),
      ...proof(parameters, login, label),
    },
  };
}

function split(url: string): URL {
  if (!/^snowflake:\/\//i.test(url) || !URL.canParse(url)) throw malformed(url);
  // A + stays a +, as secrets may hold it.
  const parsed = new URL(url.replaceAll('+', '%2B'));
  const { hostname, port, pathname, search, hash } = parsed;
  // A sign of the password that is not encoded ends the host early, and the rest of the password turns up behind it.
  if (/[@/]/.test(pathname.slice(1)) || search.includes('@') || hash !== '' || port !== '')
    throw malformed(url);
  if (!/^[a-z0-9._-]+$/i.test(hostname) || pathname.length < 2) throw malformed(url);
  return parsed;
}

function decoded(part: string, url: string): string | undefined {
  return part === '' ? undefined : decodedPart(part, (cause) => malformed(url, cause));
}

const malformed = (url: string, cause?: unknown): BadConfig => malformedUrl(url, EXAMPLE, cause);

function readParameters(given: URLSearchParams, label: string): Parameters {
  for (const name of given.keys()) {
    if ((PARAMETERS as readonly string[]).includes(name)) continue;
    throw unknownParameter(name, PARAMETERS, label);
  }
  return Object.fromEntries([...given].filter(([, value]) => value !== ''));
}

function accessUrl(text: string | undefined, label: string): string | undefined {
  if (text === undefined || (/^https?:\/\//i.test(text) && URL.canParse(text)))
    return text?.replace(/\/+$/, '');
  throw new BadConfig(
    `The URL of ${label} has accessUrl=${JSON.stringify(text)}. Write https:// and a host, or leave it out: it follows from the account`,
  );
}

function stageName(text: string | undefined, label: string): string | undefined {
  if (text === undefined || /^([a-z_][\w$]*\.){1,2}[a-z_][\w$]*$/i.test(text)) return text?.toUpperCase();
  throw new BadConfig(
    `The URL of ${label} has stage=${JSON.stringify(text)}. Write the name of an external stage with its schema, such as RAW.STAGING`,
  );
}

/** How the user logs in, and what that takes. */
function proof(
  { authenticator, privateKeyPath, privateKeyPass, token }: Parameters,
  { username, password }: { username?: string | undefined; password?: string | undefined },
  label: string,
): ConnectionOptions {
  const kind = (
    authenticator ?? (privateKeyPath ? 'SNOWFLAKE_JWT' : token ? 'OAUTH' : 'SNOWFLAKE')
  ).toUpperCase();
  if (!AUTHENTICATORS.includes(kind)) {
    throw new BadConfig(
      `The URL of ${label} has authenticator=${authenticator}, which is not possible here. Use ${AUTHENTICATORS.join(', ')}`,
    );
  }
  const demand = (is: unknown, what: string): void => {
    if (!is)
      throw new BadConfig(`The URL of ${label} has no ${what}, which authenticator ${kind} needs. Add it`);
  };
  if (kind !== 'OAUTH') demand(username, 'user');
  if (kind === 'SNOWFLAKE_JWT') {
    demand(privateKeyPath, 'privateKeyPath');
    checkKeyFile(privateKeyPath!, privateKeyPass, label);
    return { authenticator: kind, ...withoutUndefined({ privateKeyPath, privateKeyPass }) };
  }
  if (kind === 'OAUTH') demand(token, 'token');
  else
    demand(
      password ?? (kind === 'SNOWFLAKE' ? undefined : token),
      kind === 'SNOWFLAKE' ? 'password' : 'token',
    );
  return { authenticator: kind, ...withoutUndefined({ token }) };
}

function withoutUndefined<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
