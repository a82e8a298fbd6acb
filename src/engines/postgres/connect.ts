/** A pool of connections, each with the session settings that the rest relies on. */
import type pg from 'pg';
import { loadDriver } from '../shared/driver.js';
import { connectError } from './errors.js';
import type { Server } from './url.js';

export interface Database {
  readonly pool: pg.Pool;
  readonly label: string;
  /** Waits for what is under way, but not long: a server that does not answer would keep the process alive. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly connections: number;
  /** How long the server works on a statement before it gives up. */
  readonly statementMs: number;
  /** Whether the sessions refuse to change anything. */
  readonly readOnly: boolean;
}

const LOCK_TIMEOUT_MS = 10_000;
/** The server ends a transaction that its client has left alone, so that no lock outlives a worker that hangs. */
const IDLE_TRANSACTION_MS = 60_000;
/** Longer than the server takes to give up: only a connection that is dead comes to this. */
const SILENCE_MS = 10_000;
/** Connections that are in use, or part, are waited for so long; one that is being made has its own limit, `connect_timeout`. */
const CLOSE_MS = 5_000;

export async function connect({ connection, label }: Server, options: PoolOptions): Promise<Database> {
  const { default: driver } = await loadDriver('pg', 'postgres', () => import('pg'));
  const settings = sessionSettings(options);
  const pool = new driver.Pool({
    ...connection,
    max: options.connections,
    keepAlive: true,
    query_timeout: options.statementMs + SILENCE_MS,
    // Statements go out without waiting for the answers to those before them; the server keeps their order.
    pipeline: true,
    // Values come as the texts that the server sends; what they are is known by column, or by whoever asks.
    types: { getTypeParser: () => (text: unknown) => text },
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool waits for it; its types don't say so
    onConnect: (client) => client.query(settings),
  });
  // A connection that breaks while nobody uses it leaves the pool. The error of one in use comes to its user, too.
  pool.on('error', () => undefined);
  const clients = new Set<pg.PoolClient>();
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    clients.add(client);
  });
  pool.on('remove', (client) => clients.delete(client));
  const close = async (): Promise<void> => {
    const timer = setTimeout(() => clients.forEach(cut), CLOSE_MS);
    await pool.end().finally(() => clearTimeout(timer));
  };
  try {
    (await pool.connect()).release();
  } catch (error) {
    await pool.end();
    throw connectError(error, label);
  }
  return { pool, label, close };
}

/** A server that does not answer takes no leave. */
export async function end(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => cut(client), CLOSE_MS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** Whoever waits for an answer is told; `end` would wait for it. */
export function cut(client: pg.ClientBase): void {
  (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
}

/** People and code read times in UTC, whatever the server, the database or the role is set to. */
function sessionSettings({ statementMs, readOnly }: PoolOptions): string {
  return `
    SET TimeZone = 'UTC';
    SET DateStyle = 'ISO';
    SET bytea_output = 'hex';
    SET statement_timeout = ${statementMs};
    SET lock_timeout = ${LOCK_TIMEOUT_MS};
    SET idle_in_transaction_session_timeout = ${IDLE_TRANSACTION_MS};
    ${readOnly ? 'SET default_transaction_read_only = on;' : ''}
    -- What is committed has to survive a power cut.
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`;
}
