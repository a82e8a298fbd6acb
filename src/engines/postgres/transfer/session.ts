/** One connection of a transfer, with nobody else's statements on it. */
import type pg from 'pg';
import { loadDriver } from '../../shared/driver.js';
import type { PlaceOptions } from '../../transferContract.js';
import { cut, end } from '../connect.js';
import { connectError } from '../errors.js';
import { readUrl } from '../url.js';

export type Texts = ReadonlyArray<string | null>;

/** Whatever the server, the database or the role is set to, values come in the staging dialect's spelling. */
const SETTINGS = `
  SET TimeZone = 'UTC';
  SET DateStyle = 'ISO';
  SET IntervalStyle = 'postgres';
  SET bytea_output = 'hex';
  SET extra_float_digits = 1;
  SET standard_conforming_strings = on;
  SET client_encoding = 'UTF8';
  -- A large table takes as long as it takes; the worker's heartbeats say that somebody still waits.
  SET statement_timeout = 0;
  SET idle_in_transaction_session_timeout = 0`;

export class Session {
  private constructor(
    readonly client: pg.Client,
    readonly label: string,
    readonly copy: typeof import('pg-copy-streams'),
    readonly stopListening: () => void,
  ) {}

  static async open({ url, signal }: PlaceOptions): Promise<Session> {
    signal.throwIfAborted();
    const { connection, label } = readUrl(url);
    const { default: driver } = await loadDriver('pg', 'postgres', () => import('pg'));
    const copy = await loadDriver('pg-copy-streams', 'postgres', () => import('pg-copy-streams'));
    const client = new driver.Client({
      ...connection,
      keepAlive: true,
      types: { getTypeParser: () => (text: unknown) => text } as unknown as pg.CustomTypesConfig,
    });
    // A connection that breaks is told to whoever waits for an answer.
    client.on('error', () => undefined);
    const cutOff = (): void => cut(client);
    signal.addEventListener('abort', cutOff, { once: true });
    const stopListening = (): void => signal.removeEventListener('abort', cutOff);
    try {
      await client.connect();
      await client.query(SETTINGS);
      // So that a statement whose client is gone ends soon. Before version 14 it ends when it is done.
      await client.query(
        "SELECT set_config(name, '2s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'",
      );
    } catch (error) {
      stopListening();
      await end(client);
      throw connectError(error, label);
    }
    return new Session(client, label, 'default' in copy ? copy.default : copy, stopListening);
  }

  static async use<T>(options: PlaceOptions, work: (session: Session) => Promise<T>): Promise<T> {
    const session = await Session.open(options);
    try {
      return await work(session);
    } finally {
      // Rolls back what was not committed.
      await session.close();
    }
  }

  /** One statement: a text with several is refused by the protocol. Its answer is waited for without a limit, unless one is given. */
  async rows(text: string, values: readonly unknown[] = [], limitMs?: number): Promise<Texts[]> {
    const result = await this.client.query<Array<string | null>>({
      ...{ text, values: [...values], rowMode: 'array', queryMode: 'extended', query_timeout: limitMs },
    } as pg.QueryArrayConfig);
    return result.rows;
  }

  /** Statements without an answer. */
  async run(text: string): Promise<void> {
    await this.client.query(text);
  }

  async close(): Promise<void> {
    await end(this.client);
    this.stopListening();
  }
}
