/** The ways to log in to Snowflake without a password, and what is said when they fail. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engine } from '../../src/engines/snowflake/index.js';
import { givenSnowflake } from './snowflakeEndpoint.js';

const SECRET = 'Tr0ub4dor-secret';

const { endpoint, describeSnowflake } = await givenSnowflake();

describeSnowflake('a login', () => {
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-keys-'));
  const file = (name: string): string => join(folder, name);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  let before: string[];
  beforeAll(() => {
    writeFileSync(file('plain.p8'), privateKey.export(pem));
    const cipher = { cipher: 'aes-256-cbc', passphrase: SECRET };
    writeFileSync(file('encrypted.p8'), privateKey.export({ ...pem, ...cipher }));
    writeFileSync(file('ec.p8'), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem));
    writeFileSync(file('text.p8'), 'no key');
    before = readdirSync('.');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const urlOf = (user: string, parameters: Record<string, string>): string => {
    const url = new URL(endpoint.url);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href.replace(/\/\/[^@]*@/, user === '' ? '//' : `//${user}@`);
  };
  const logIn = async (user: string, parameters: Record<string, string>): Promise<void> => {
    const store = await engine.openAuditStore({ url: urlOf(user, parameters) });
    await store.close();
  };
  const password = (): string => new URL(endpoint.url).password;

  it.each([
    ['a key', () => ['OWNER', { privateKeyPath: file('plain.p8') }]],
    ['an encrypted key', () => ['OWNER', { privateKeyPath: file('encrypted.p8'), privateKeyPass: SECRET }]],
    ['an OAuth token', () => ['', { token: password() }]],
    ['an access token', () => ['OWNER', { authenticator: 'PROGRAMMATIC_ACCESS_TOKEN', token: password() }]],
    ['warehouse and role', () => [`OWNER:${password()}`, { warehouse: 'WH', role: 'LOADER' }]],
  ] satisfies Array<[string, () => [string, Record<string, string>]]>)(
    'succeeds with %s',
    async (_, given) => {
      const [user, parameters] = given() as [string, Record<string, string>];
      await logIn(user, parameters);
    },
  );

  it.each([
    [
      'OWNER',
      { privateKeyPath: 'encrypted.p8', privateKeyPass: `${SECRET}-wrong` },
      /correct the passphrase/i,
    ],
    ['OWNER', { privateKeyPath: 'encrypted.p8' }, /encrypted\.p8 .*add its passphrase .*privateKeyPass/i],
    ['OWNER', { privateKeyPath: 'nowhere.p8', privateKeyPass: SECRET }, /nowhere\.p8 .*ENOENT/],
    ['OWNER', { privateKeyPath: 'text.p8', privateKeyPass: SECRET }, /text\.p8 .*no private key/],
    ['OWNER', { privateKeyPath: 'ec.p8' }, /ec\.p8 .*RSA/],
    ['NOBODY', { privateKeyPath: 'plain.p8' }, /Incorrect username/],
    ['OWNER', { token: SECRET }, /Incorrect username/],
    ['OWNER', { authenticator: 'OAUTH' }, /no token/],
    ['OWNER', { authenticator: 'EXTERNALBROWSER' }, /authenticator=EXTERNALBROWSER.*Use SNOWFLAKE/],
    ['OWNER', {}, /no password/],
    [`:${SECRET}`, {}, /no user/],
  ] as Array<[string, Record<string, string>, RegExp]>)(
    'of %s with %j says what is wrong with it, and no secret',
    async (user, { privateKeyPath, ...rest }, says) => {
      const parameters = privateKeyPath ? { ...rest, privateKeyPath: file(privateKeyPath) } : rest;
      const error = await logIn(user, parameters).then(
        () => undefined,
        (error: unknown) => error as Error,
      );
      expect(error?.name).toBe('BadConfig');
      expect(error!.message).toMatch(says);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
    },
  );

  it('leaves no log file of the driver', () => {
    expect(readdirSync('.').filter((name) => !before.includes(name) && name.endsWith('.log'))).toEqual([]);
  });
});
