/** Who logs in: `authentication=…` in the URL is the driver's word for how, and this is what each way needs. */
import type { config as DriverConfig } from 'mssql';
import { BadConfig } from '../../domain/errors.js';

type Authentication = NonNullable<DriverConfig['authentication']>;

interface Method {
  readonly needs: readonly string[];
  readonly takes?: readonly string[];
}

const USER = ['user', 'password'];
const METHODS: Readonly<Record<string, Method>> = {
  default: { needs: USER },
  ntlm: { needs: [...USER, 'domain'] },
  'azure-active-directory-default': { needs: [], takes: ['clientId'] },
  'azure-active-directory-password': { needs: [...USER, 'clientId'], takes: ['tenantId'] },
  'azure-active-directory-service-principal-secret': { needs: ['clientId', 'clientSecret', 'tenantId'] },
  'azure-active-directory-access-token': { needs: ['token'] },
  'azure-active-directory-msi-vm': { needs: [], takes: ['clientId'] },
  'azure-active-directory-msi-app-service': { needs: [], takes: ['clientId'] },
};
const OPTIONS = ['domain', 'clientId', 'clientSecret', 'tenantId', 'token'];

export const AUTHENTICATION_PARAMETERS = ['authentication', ...OPTIONS];

export function readAuthentication(
  user: string | undefined,
  password: string | undefined,
  parameters: ReadonlyMap<string, string>,
  label: string,
): Authentication {
  const type = parameters.get('authentication') ?? 'default';
  const method = Object.hasOwn(METHODS, type) ? METHODS[type] : undefined;
  if (!method) {
    throw new BadConfig(
      `The URL of ${label} has authentication=${type}, which is unknown. Known are ${Object.keys(METHODS).join(', ')}`,
    );
  }
  if (!user && type === 'default') throw windowsLogin(label);
  const given: Record<string, string | undefined> = {
    user: user === '' ? undefined : user,
    password,
    ...Object.fromEntries(OPTIONS.map((name) => [name, parameters.get(name)])),
  };
  const { needs, takes = [] } = method;
  const missing = needs.find((name) => given[name] === undefined);
  if (missing) {
    throw new BadConfig(`The URL of ${label} has no ${missing}, and authentication=${type} needs it. Add it`);
  }
  const useless = Object.keys(given).find(
    (name) => given[name] !== undefined && ![...needs, ...takes].includes(name),
  );
  if (useless) {
    throw new BadConfig(
      `The URL of ${label} has a ${useless}, and authentication=${type} has no use for it. ` +
        'Take it out, or name the authentication that is meant',
    );
  }
  const { user: userName, ...options } = given;
  return { type, options: defined({ userName, ...options }) } as unknown as Authentication;
}

/** What people ask for who name no user. */
export function windowsLogin(label: string): BadConfig {
  return new BadConfig(
    `The URL of ${label} names no user and password. Windows login without a password needs the driver msnodesqlv8, which is not ` +
      'supported here; a Windows account can log in by NTLM: mssql://user:password@…?authentication=ntlm&domain=CORP. ' +
      'Or name an SQL Server login, or one of authentication=azure-active-directory-…',
  );
}

function defined(options: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
