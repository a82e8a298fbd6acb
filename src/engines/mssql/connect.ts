/** A pool of connections. The driver takes broken ones out of it and makes new ones, also after the server restarted. */
import type Driver from 'mssql';
import { loadDriver } from '../shared/driver.js';
import { connectError } from './errors.js';
import type { Server } from './url.js';

export class Database {
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(
    readonly driver: typeof Driver,
    readonly pool: Driver.ConnectionPool,
    readonly label: string,
  ) {}

  /** Runs what closing has to wait for. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error(`${this.label}: the connections were closed before`);
    const result = work();
    const settled = result.catch(() => undefined);
    this.#underWay.add(settled);
    void settled.then(() => this.#underWay.delete(settled));
    return result;
  }

  /** The driver's pool refuses requests at once, also within a transaction. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#underWay);
    await this.pool.close();
  }
}

export interface PoolOptions {
  readonly connections: number;
  /** How long a statement may take, where the URL's `requestTimeout` is not meant. */
  readonly statementMs?: number;
}

export async function connect({ config, label }: Server, options: PoolOptions): Promise<Database> {
  const { default: driver } = await loadDriver('mssql', 'mssql', () => import('mssql'));
  const pool = new driver.ConnectionPool({
    ...config,
    ...(options.statementMs && { requestTimeout: options.statementMs }),
    options: {
      ...config.options,
      appName: 'batchtrail',
      // Dates are read and written as UTC.
      useUTC: true,
      // XACT_ABORT: an error in a transaction rolls back all of it, whatever the error is.
      abortTransactionOnError: true,
    },
    pool: { max: options.connections, min: 0 },
    // A look at the socket instead of a SELECT before each use; who begins a transaction tries again on another one.
    validateConnection: 'socket',
  });
  // The error of a connection that can't be made comes to who wanted it, too.
  pool.on('error', () => undefined);
  try {
    await pool.connect();
  } catch (error) {
    throw connectError(error, label);
  }
  return new Database(driver, pool, label);
}
