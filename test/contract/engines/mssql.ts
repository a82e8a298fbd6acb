import { randomBytes } from 'node:crypto';
import type sql from 'mssql';
import { freePorts } from '../../../src/dev/ports.js';
import type { EngineUnderTest, Login, Place } from '../engines.js';
import { SECRET } from '../secret.js';

const url = process.env['TEST_MSSQL_URL'] || undefined;
const ports = await freePorts(1);

export const mssql: EngineUnderTest = {
  name: 'SQL Server',
  scheme: 'mssql',
  variable: 'TEST_MSSQL_URL',
  absent: url === undefined ? 'TEST_MSSQL_URL is not set' : undefined,
  cannot: {
    restart: 'the harness did not start the server',
    serverTimeZone: 'a SQL Server session has no time zone',
    readOnly: 'a database is read-only for all or nobody',
    full: "a server's disk can't be filled from outside",
    duplicateBatch: 'SQL Server enforces the unique key',
    seeWaiting: "who waits for whom is told by views that SQL Server's stand-in does not have",
  },
  bad: {
    wrongPassword: () => changed((to) => (to.password = SECRET)),
    unreachableHost: () =>
      changed((to) => {
        to.password = SECRET;
        to.hostname = '127.0.0.1';
        to.port = String(ports[0]);
      }),
    missingDatabase: () => changed((to) => (to.pathname = '/no_such_database')),
    unknownParameter: () => changed((to) => to.searchParams.set('nonsense', '1')),
  },
  malformed: [`mssql://sa:${SECRET}@`, `mssql://sa:${SECRET}@host:port/db`, 'mssql:'],
  version: async () => {
    const [row] = await run("SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR(40)) AS version");
    return row!['version'] as string;
  },
  newPlace: async () => placeAt(newName()),
};

function changed(change: (to: URL) => void): string {
  const to = new URL(url!);
  change(to);
  return to.href;
}

function newName(): string {
  return `Ct_${randomBytes(5).toString('hex')}`;
}

async function run(statement: string): Promise<Array<Record<string, unknown>>> {
  return withRequest(async (request) => {
    const { recordset } = await request.query<Record<string, unknown>>(statement);
    return ((recordset as typeof recordset | undefined) ?? []).map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value])),
    );
  });
}

async function withRequest<T>(work: (request: sql.Request) => Promise<T>): Promise<T> {
  const pool = await connect();
  try {
    return await work(pool.request());
  } finally {
    await pool.close();
  }
}

/** The driver takes long to load, which the files of the other engines need not spend. */
async function connect(): Promise<sql.ConnectionPool> {
  const { default: driver } = await import('mssql');
  const { hostname, port, username, password, pathname, searchParams } = new URL(url!);
  return new driver.ConnectionPool({
    server: hostname,
    port: Number(port || 1433),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)) || 'master',
    pool: { max: 1 },
    options: {
      encrypt: searchParams.get('encrypt') !== 'false',
      trustServerCertificate: searchParams.get('trustServerCertificate') === 'true',
    },
  }).connect();
}

function placeAt(schema: string): Place {
  const logins: string[] = [];
  const login = async (grants: string[]): Promise<Login> => {
    const name = newName();
    const password = `Aa1-${randomBytes(12).toString('hex')}`;
    await run(`CREATE LOGIN ${name} WITH PASSWORD = '${password}'`);
    logins.push(name);
    await run(`CREATE USER ${name} FOR LOGIN ${name}`);
    for (const grant of grants) await run(`GRANT ${grant} TO ${name}`);
    return {
      url: changed((to) => {
        to.username = name;
        to.password = password;
      }),
      endConnections: async () => {
        const sessions = await run(
          `SELECT session_id FROM sys.dm_exec_sessions WHERE login_name = '${name}'`,
        );
        for (const { session_id } of sessions) {
          // One that ended by itself meanwhile can't be ended.
          await run(`KILL ${Number(session_id)}`).catch(() => undefined);
        }
        return sessions.length;
      },
      setTimeZone: async () => undefined,
    };
  };
  return {
    url: url!,
    schema,
    table: (name) => `${schema}.${name}`,
    run,
    runScript: async (script) => {
      for (const batch of script.split(/^\s*GO\s*$/im)) {
        if (batch.trim() !== '') await withRequest((request) => request.batch(batch));
      }
    },
    shape: () =>
      run(
        `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION, IS_NULLABLE, COLLATION_NAME
         FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = '${schema}' ORDER BY 1, 2`,
      ),
    beside: async () => placeAt(newName()),
    drop: async () => {
      const objects = async (kind: string): Promise<string[]> =>
        (
          await run(
            `SELECT TABLE_NAME AS name FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '${schema}' AND TABLE_TYPE = '${kind}'`,
          )
        ).map(({ name }) => `${schema}.${String(name)}`);
      for (const view of await objects('VIEW')) await run(`DROP VIEW ${view}`);
      const keys = await run(
        `SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS
         WHERE TABLE_SCHEMA = '${schema}' AND CONSTRAINT_TYPE = 'FOREIGN KEY'`,
      );
      for (const { tab, name } of keys) {
        await run(`ALTER TABLE ${schema}.${String(tab)} DROP CONSTRAINT ${String(name)}`);
      }
      for (const table of await objects('BASE TABLE')) await run(`DROP TABLE ${table}`);
      await run(`IF SCHEMA_ID('${schema}') IS NOT NULL DROP SCHEMA ${schema}`);
      for (const name of logins) {
        await run(`DROP USER ${name}`);
        await run(`DROP LOGIN ${name}`);
      }
    },
    worker: () => login([`SELECT, INSERT, UPDATE ON SCHEMA::${schema}`]),
    stranger: () => login([]),
    holdLock: async () => {
      const pool = await connect();
      const transaction = pool.transaction();
      await transaction.begin();
      await transaction
        .request()
        .query(`SELECT TOP 0 * FROM ${schema}.PipelineLog WITH (TABLOCKX, HOLDLOCK)`);
      return {
        release: async () => {
          await transaction.commit();
          await pool.close();
        },
      };
    },
  };
}
