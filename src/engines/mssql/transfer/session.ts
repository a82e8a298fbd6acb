/** One connection of a transfer, and the transaction that all of its statements are in. */
import type { Readable } from 'node:stream';
import type Driver from 'mssql';
import { BadConfig } from '../../../domain/errors.js';
import type { PlaceOptions } from '../../transferContract.js';
import type { Database } from '../connect.js';
import { connect } from '../connect.js';
import { isMissingRight } from '../errors.js';
import type { Inputs, Records } from '../session.js';
import { readUrl } from '../url.js';

/** A large table takes as long as it takes; the worker's heartbeats say that somebody still waits. */
const LONGEST_STATEMENT_MS = 24 * 60 * 60_000;

export class TransferSession {
  /** The last statement; the transaction can't end before it has. */
  #last: { readonly request: Driver.Request; readonly ended: Promise<unknown> } | undefined;
  readonly #aborted: Promise<never>;

  private constructor(
    readonly db: Database,
    readonly transaction: Driver.Transaction,
    readonly signal: AbortSignal,
  ) {
    this.#aborted = new Promise((_, reject) => {
      const abort = (): void => {
        this.#last?.request.cancel();
        reject(signal.reason as Error);
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    this.#aborted.catch(() => undefined);
  }

  /** Begins the transaction. `isSnapshot`: all its reads see one state of the database. */
  static async open(
    { url, signal }: PlaceOptions,
    { isSnapshot }: { isSnapshot: boolean },
  ): Promise<TransferSession> {
    const db = await connect(readUrl(url), { connections: 1, statementMs: LONGEST_STATEMENT_MS });
    const transaction = new db.driver.Transaction(db.pool);
    // What breaks it is told to whoever waits for an answer.
    transaction.on('rollback', () => undefined);
    const { SNAPSHOT, READ_COMMITTED } = db.driver.ISOLATION_LEVEL;
    try {
      await transaction.begin(isSnapshot ? SNAPSHOT : READ_COMMITTED);
    } catch (error) {
      await db.close();
      throw error;
    }
    return new TransferSession(db, transaction, signal);
  }

  static async use<T>(options: PlaceOptions, work: (session: TransferSession) => Promise<T>): Promise<T> {
    const session = await TransferSession.open(options, { isSnapshot: false });
    try {
      return await work(session);
    } finally {
      // Rolls back what was not committed.
      await session.close();
    }
  }

  get label(): string {
    return this.db.label;
  }

  /** One table of rows, by the names of their columns. */
  async rows(text: string, inputs: Inputs = {}): Promise<Records> {
    const { recordsets } = await this.#query(text, inputs);
    return (recordsets as Records[])[0] ?? [];
  }

  /** How many rows the last statement of the text changed. */
  async run(text: string, inputs: Inputs = {}): Promise<number> {
    const { rowsAffected } = await this.#query(text, inputs);
    return rowsAffected.at(-1) ?? 0;
  }

  /** As a batch of its own: a temporary table lives until the end of what made it, which would be that of `run`. */
  async runBatch(text: string): Promise<void> {
    await this.#explained((request) => request.batch(text));
  }

  /** Rows as arrays, no faster than they are taken. */
  stream(text: string): Readable {
    this.signal.throwIfAborted();
    let rows: Readable;
    // Its errors come by the stream.
    this.#begin((request) => {
      request.arrayRowMode = true;
      rows = request.toReadableStream();
      return request.query(text);
    }).catch(() => undefined);
    return rows!;
  }

  async bulk(table: Driver.Table): Promise<void> {
    await this.#explained((request) => request.bulk(table));
  }

  async commit(): Promise<void> {
    await this.transaction.commit();
  }

  /** Takes back what was not committed. */
  async close(): Promise<void> {
    this.#last?.request.cancel();
    await this.#last?.ended;
    await this.transaction.rollback().catch(() => undefined);
    await this.db.close();
  }

  #query(text: string, inputs: Inputs): Promise<Driver.IResult<unknown>> {
    return this.#explained((request) => {
      for (const [name, [type, value]] of Object.entries(inputs)) request.input(name, type, value);
      return request.query(text);
    });
  }

  #begin<T>(work: (request: Driver.Request) => Promise<T>): Promise<T> {
    const request = new this.db.driver.Request(this.transaction);
    const answer = work(request);
    this.#last = { request, ended: answer.catch(() => undefined) };
    return answer;
  }

  async #explained<T>(work: (request: Driver.Request) => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    try {
      return await Promise.race([this.#begin(work), this.#aborted]);
    } catch (error) {
      if (!isMissingRight(error)) throw error;
      throw new BadConfig(
        `${this.label}: ${(error as Error).message}. Let a DBA grant this user what a transfer needs: SELECT on what is read; ` +
          'on a target CREATE TABLE in the database, ALTER on the schema, and SELECT, INSERT, UPDATE and DELETE on its tables; EXECUTE on the procedure of a transform',
        { cause: error },
      );
    }
  }
}
