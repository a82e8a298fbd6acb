import { randomBytes } from 'node:crypto';
import type sdk from 'snowflake-sdk';
import { freePorts } from '../../../src/dev/ports.js';
import { Pace } from '../../../src/engines/snowflake/pace.js';
import { startSnowflake } from '../../endpoints/snowflake.js';
import type { EngineUnderTest, Login, Place } from '../engines.js';
import { SECRET } from '../secret.js';

const url = process.env['TEST_SNOWFLAKE_URL'] || undefined;
/** Our own endpoint has users with fewer rights; in an account of somebody's no users are made. */
const isEndpoint = url !== undefined && /accessUrl=http%3A%2F%2F127\.0\.0\.1/i.test(url);
const ports = await freePorts(1);
// A statement costs nothing on the endpoint. That a store keeps its pace is the engine's own test.
if (isEndpoint) Pace.prototype.take = () => Promise.resolve();
type Row = Record<string, unknown>;

export const snowflake: EngineUnderTest = {
  name: 'Snowflake',
  scheme: 'snowflake',
  variable: 'TEST_SNOWFLAKE_URL',
  absent:
    url === undefined ? 'TEST_SNOWFLAKE_URL is not set; npm run test:engines starts an endpoint' : undefined,
  cannot: {
    withoutDelete: 'a worker repairs batches that are there twice, and needs the right for that',
    endConnections: "Snowflake's sessions are no connections that could be ended",
    serverTimeZone: 'TIMESTAMP_NTZ knows no time zone',
    readOnly: 'Snowflake has no read-only databases',
    full: 'Snowflake has no disk that could be full',
    seeWaiting: 'which statement waits can only be seen some time later',
    ...(isEndpoint ? {} : { users: 'no users are made in an account', restart: 'nobody restarts Snowflake' }),
  },
  bad: {
    wrongPassword: () => changed((to) => (to.password = SECRET)),
    unreachableHost: () =>
      changed((to) => {
        to.password = SECRET;
        to.searchParams.set('accessUrl', `http://127.0.0.1:${ports[0]}`);
      }),
    missingDatabase: () => changed((to) => (to.pathname = '/NO_SUCH_DATABASE')),
    unknownParameter: () => changed((to) => to.searchParams.set('nonsense', '1')),
  },
  malformed: [`snowflake://user:${SECRET}@`, `snowflake://user:${SECRET}@acc:ount:1/DB`, 'snowflake:'],
  startOwn: () => startSnowflake(),
  version: async () => {
    const [row] = await run('SELECT CURRENT_VERSION() AS version');
    return `${String(row!['version'])}${isEndpoint ? ' (fakesnow)' : ''}`;
  },
  newPlace: async () => placeAt(newName()),
};

function changed(change: (to: URL) => void): string {
  const to = new URL(url!);
  change(to);
  return to.href;
}

function newName(): string {
  return `CT_${randomBytes(5).toString('hex').toUpperCase()}`;
}

/** The driver takes a second to load, which the files of the other engines need not spend. */
async function connect(): Promise<sdk.Connection> {
  const { default: driver } = await import('snowflake-sdk');
  driver.configure({ logLevel: 'OFF' });
  const { hostname, username, password, pathname, searchParams } = new URL(url!);
  const [database, schema] = pathname.slice(1).split('/');
  const accessUrl = searchParams.get('accessUrl');
  return new Promise((resolve, reject) => {
    const connection = driver.createConnection({
      account: hostname,
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      ...(database ? { database } : {}),
      ...(schema ? { schema } : {}),
      ...(accessUrl === null ? {} : { accessUrl }),
      ...Object.fromEntries(
        ['warehouse', 'role'].flatMap((name) => {
          const value = searchParams.get(name);
          return value === null ? [] : [[name, value]];
        }),
      ),
      fetchAsString: ['Number', 'Date'],
    });
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

function execute(connection: sdk.Connection, sqlText: string): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      complete: (error, _, rows) => {
        if (error) reject(error);
        else resolve(((rows as Row[] | undefined) ?? []).map(withLowerCaseNames));
      },
    });
  });
}

let shared: Promise<sdk.Connection> | undefined;

async function run(sql: string): Promise<Row[]> {
  return execute(await (shared ??= connect()), sql);
}

function placeAt(schema: string): Place {
  const login = (user: string): Login => ({
    url: changed((to) => (to.username = user)),
    endConnections: async () => 0,
    setTimeZone: async () => undefined,
  });
  return {
    url: url!,
    schema,
    table: (name) => `${schema}.${name}`,
    run,
    runScript: async (script) => {
      for (const statement of statementsOf(script)) await run(statement);
    },
    shape: () =>
      run(
        `SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
         WHERE table_schema = '${schema}' ORDER BY table_name, column_name`,
      ),
    beside: async () => placeAt(newName()),
    drop: async () => void (await run(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)),
    worker: async () => login('WORKER'),
    stranger: async () => login('STRANGER'),
    holdLock: async () => {
      const connection = await connect();
      for (const statement of ['BEGIN', ...lockingUpdates(schema)]) await execute(connection, statement);
      return {
        release: async () => {
          await execute(connection, 'COMMIT');
          await new Promise<void>((resolve) => connection.destroy(() => resolve()));
        },
      };
    },
  };
}

function lockingUpdates(schema: string): string[] {
  return ['PipelineLog', 'PipelineRun'].map(
    (table) => `UPDATE ${schema}.${table} SET Status = Status WHERE LogID < 0`,
  );
}

/** The statements of a script, without what ends them; a `;` in a text, a comment or a body ends none. */
function statementsOf(script: string): string[] {
  const statements = [''];
  for (const [token] of script.matchAll(
    /'(?:[^']|'')*'|\$\$[\s\S]*?\$\$|--[^\n]*|\/\*[\s\S]*?\*\/|[\s\S]/g,
  )) {
    if (token === ';') statements.push('');
    else if (!token.startsWith('--')) statements[statements.length - 1] += token;
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}

function withLowerCaseNames(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
}
