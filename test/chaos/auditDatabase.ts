/** The database that keeps the audit, with what can be done to it. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import pg from 'pg';
import { LOOPBACK } from '../../src/dev/ports.js';
import { startPostgres, type PostgresEndpoint } from '../endpoints/postgres.js';
import type { AuditSource } from './checker/auditRows.js';
import type { StoreKind } from './plan.js';
import { Proxy } from './proxy.js';

interface AuditDatabaseBase {
  /** What the workers are told. */
  readonly url: string;
  /** Where the checker reads, on a way without faults. */
  readonly source: AuditSource;
  stop(): Promise<void>;
}

export interface SqliteAudit extends AuditDatabaseBase {
  readonly kind: 'sqlite';
  /** Holds the file's write lock until the function that this answers is called. */
  lock(): Promise<() => void>;
}

export interface PostgresAudit extends AuditDatabaseBase {
  readonly kind: 'postgres';
  readonly proxy: Proxy;
  /** Stops the server without a shutdown of its own. It comes back, and recovers, by `restart`. */
  stopAtOnce(): Promise<void>;
  restart(): Promise<void>;
}

export type AuditDatabase = SqliteAudit | PostgresAudit;

export async function openAuditDatabase(kind: StoreKind, folder: string): Promise<AuditDatabase> {
  return kind === 'sqlite' ? sqliteAudit(folder) : postgresAudit();
}

function sqliteAudit(folder: string): SqliteAudit {
  const file = join(folder, 'Audit.db');
  return {
    kind: 'sqlite',
    url: `sqlite:${folder}`,
    source: { kind: 'sqlite', file },
    lock: async () => {
      const db = new Database(file, { timeout: 0 });
      await untilFree(() => db.exec('BEGIN EXCLUSIVE'));
      return () => db.close();
    },
    stop: async () => undefined,
  };
}

/** The workers write all the time: the lock is free for moments only. */
async function untilFree(begin: () => void): Promise<void> {
  for (;;) {
    try {
      return begin();
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
      await delay(1);
    }
  }
}

async function postgresAudit(): Promise<PostgresAudit> {
  const endpoint = await startPostgres();
  const direct = new URL(endpoint.url);
  const proxy = await Proxy.start({ host: direct.hostname, port: Number(direct.port) });
  const throughProxy = new URL(endpoint.url);
  throughProxy.host = `${LOOPBACK}:${proxy.port}`;
  return {
    kind: 'postgres',
    url: throughProxy.href,
    source: { kind: 'postgres', url: endpoint.url },
    proxy,
    stopAtOnce: () => stopAtOnce(endpoint),
    restart: () => endpoint.restart(),
    async stop() {
      await proxy.stop();
      await endpoint.stop();
    },
  };
}

/** An "immediate shutdown": what was not on the disk is gone, and connections break. */
async function stopAtOnce({ url }: PostgresEndpoint): Promise<void> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ pid: string }>(
    `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid`,
  );
  // Not `once`, which would take the broken connection for a failure.
  const closed = new Promise<void>((resolve) => client.once('end', resolve));
  process.kill(Number(rows[0]!.pid), 'SIGQUIT');
  await closed;
}
