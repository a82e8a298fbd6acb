import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { freePorts } from '../../../src/dev/ports.js';
import { startPostgres } from '../../endpoints/postgres.js';
import type { EngineUnderTest, Login, Place } from '../engines.js';
import { SECRET } from '../secret.js';

const url = process.env['TEST_POSTGRES_URL'] || undefined;
const ports = await freePorts(1);

export const postgres: EngineUnderTest = {
  name: 'PostgreSQL',
  scheme: 'postgres',
  variable: 'TEST_POSTGRES_URL',
  absent: url === undefined ? 'TEST_POSTGRES_URL is not set; npm run test:engines starts one' : undefined,
  cannot: {
    full: "a server's disk can't be filled from outside",
    duplicateBatch: 'PostgreSQL enforces the unique key',
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
  malformed: [`postgres://etl:${SECRET}@`, `postgres://etl:${SECRET}@host:port/db`, 'postgres:'],
  startOwn: () => startPostgres({ fsync: false }),
  version: async () => {
    const rows = await asOwner((client) => client.query<{ server_version: string }>('SHOW server_version'));
    return rows.rows[0]!.server_version;
  },
  newPlace: async () => placeAt(newName()),
};

function changed(change: (to: URL) => void): string {
  const to = new URL(url!);
  change(to);
  return to.href;
}

// Mixed case, as in the default: PostgreSQL makes it lower.
function newName(): string {
  return `Ct_${randomBytes(5).toString('hex')}`;
}

async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function placeAt(schema: string): Place {
  const dropAfter: string[] = [];
  const run: Place['run'] = (sql) =>
    asOwner(async (client) => (await client.query<Record<string, unknown>>(sql)).rows);
  const login = async (grants: string[]): Promise<Login> => {
    const role = newName().toLowerCase();
    const password = randomBytes(8).toString('hex');
    await run(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
    dropAfter.push(role);
    for (const grant of grants) await run(`GRANT ${grant} TO ${role}`);
    return {
      url: changed((to) => {
        to.username = role;
        to.password = password;
      }),
      endConnections: async () => {
        const ended = await run(
          `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '${role}'`,
        );
        return ended.length;
      },
      setTimeZone: async (zone) => void (await run(`ALTER ROLE ${role} SET timezone = '${zone}'`)),
    };
  };
  const worker = (): Promise<Login> =>
    login([`USAGE ON SCHEMA ${schema}`, `SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA ${schema}`]);
  return {
    url: url!,
    schema,
    table: (name) => `${schema}.${name}`,
    run,
    runScript: async (script) => void (await run(script)),
    shape: async () => {
      const own = `lower('${schema}')`;
      const without = (column: string): string => `replace(${column}, ${own}, 'SCHEMA')`;
      return [
        ...(await run(
          `SELECT table_name, column_name, data_type, is_nullable, ${without('column_default')} AS default, is_identity
           FROM information_schema.columns WHERE table_schema = ${own} ORDER BY 1, 2`,
        )),
        ...(await run(
          `SELECT ${without('indexdef')} AS def FROM pg_indexes WHERE schemaname = ${own} ORDER BY 1`,
        )),
        ...(await run(
          `SELECT conname, ${without('pg_get_constraintdef(oid)')} AS def FROM pg_constraint
           WHERE connamespace = ${own}::regnamespace ORDER BY 1, 2`,
        )),
        ...(await run(
          `SELECT C.relname, D.objsubid, D.description FROM pg_description D JOIN pg_class C ON C.oid = D.objoid
           WHERE C.relnamespace = ${own}::regnamespace ORDER BY 1, 2`,
        )),
      ];
    },
    beside: async () => placeAt(newName()),
    drop: async () => {
      await run(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      for (const role of dropAfter) {
        await run(`DROP OWNED BY ${role}`);
        await run(`DROP ROLE ${role}`);
      }
    },
    worker,
    stranger: () => login([]),
    makeReadOnly: async () => {
      const user = await worker();
      const role = new URL(user.url).username;
      await run(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
      return {
        url: user.url,
        undo: async () => {
          await run(`ALTER ROLE ${role} RESET default_transaction_read_only`);
          await user.endConnections();
        },
      };
    },
    holdLock: async () => {
      const client = new pg.Client(url);
      await client.connect();
      await client.query(`BEGIN; LOCK TABLE ${schema}.PipelineLog, ${schema}.PipelineRun IN EXCLUSIVE MODE`);
      return {
        release: async () => {
          await client.query('COMMIT');
          await client.end();
        },
      };
    },
    isWaiting: async () => {
      const waiting = await run(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%${schema}%'`,
      );
      return waiting.length > 0;
    },
  };
}
