/** One Snowflake session, with the settings that the rest relies on. */
import type { Bind, Column, Connection, RowMode, RowStatement, StatementOption } from 'snowflake-sdk';
import { driver } from './driver.js';
import {
  isConnectionLost,
  isSessionGone,
  loginProblem,
  NO_ANSWER,
  oneLine,
  SnowflakeError,
} from './errors.js';
import type { Target } from './url.js';

export interface Statement {
  readonly text: string;
  readonly binds?: readonly Bind[];
}

export type Row = Record<string, unknown>;

export interface Result {
  readonly columns: readonly Column[];
  readonly rows: Row[];
}

export interface RunOptions {
  readonly tag: string;
  readonly rowMode?: RowMode;
  readonly numbersAsText?: boolean;
  /** How long it may take, with the time that the driver gets to hear of it. Default: as long as a statement of the audit. */
  readonly silenceMs?: number;
}

const LOGIN_TIMEOUT_MS = 30_000;
const LOGOUT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_S = 120;
/** Longer than the server works on a statement: only a connection that is dead comes to this. */
const SILENCE_MS = (STATEMENT_TIMEOUT_S + 30) * 1000;

const SETTINGS = {
  // Whatever the account or the user is set to.
  AUTOCOMMIT: 'TRUE',
  QUOTED_IDENTIFIERS_IGNORE_CASE: 'FALSE',
  JS_TREAT_INTEGER_AS_BIGINT: 'FALSE',
  MULTI_STATEMENT_COUNT: '1',
  STATEMENT_TIMEOUT_IN_SECONDS: STATEMENT_TIMEOUT_S,
  // As it comes it is 12 hours.
  LOCK_TIMEOUT: 60,
  ABORT_DETACHED_QUERY: 'TRUE',
};
export const SESSION_SETTINGS = settingsWith({});

/** The statement that sets a session up, with more settings or others. */
export function settingsWith(others: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries({ ...SETTINGS, ...others });
  return `ALTER SESSION SET ${pairs.map((pair) => pair.join(' = ')).join(' ')}`;
}

export class Session {
  #isBroken = false;
  #running: RowStatement | undefined;

  private constructor(readonly connection: Connection) {}

  /** Logs in. What the server says against it is a BadConfig. */
  static async open({ connection, label }: Target, schema?: string): Promise<Session> {
    const sdk = await driver();
    try {
      const session = new Session(
        sdk.createConnection({
          ...connection,
          ...(schema === undefined ? {} : { schema }),
          application: 'batchtrail',
          clientSessionKeepAlive: true,
          // Who waits for the store tries again; the driver would go on for minutes without a word.
          sfRetryMaxLoginRetries: 0,
        }),
      );
      await session.#logIn();
      return session;
    } catch (error) {
      throw loginProblem(new SnowflakeError(error), label);
    }
  }

  /** Whether it can be used for another statement. */
  get isUsable(): boolean {
    return !this.#isBroken;
  }

  giveUp(): void {
    this.#isBroken = true;
  }

  async run(
    { text, binds = [] }: Statement,
    { tag, rowMode = 'object', numbersAsText, silenceMs = SILENCE_MS }: RunOptions,
  ): Promise<Result> {
    try {
      return await this.#execute(
        {
          sqlText: text,
          binds: [...binds],
          parameters: { QUERY_TAG: tag },
          rowMode,
          ...(numbersAsText ? { fetchAsString: ['Number'] } : {}),
        },
        silenceMs,
      );
    } catch (error) {
      const known = error instanceof SnowflakeError ? error : new SnowflakeError(error);
      this.#isBroken ||= isSessionGone(known) || isConnectionLost(known);
      throw known;
    }
  }

  /** Ends the statement that is under way, on the server, too. */
  cancel(): void {
    this.giveUp();
    this.#running?.cancel(() => undefined);
  }

  /** Ends the session on the server, and with it the transaction that may be open. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      // Nobody who stops waits for a server that can't be reached.
      setTimeout(resolve, LOGOUT_TIMEOUT_MS).unref();
      this.connection.destroy(() => resolve());
    });
  }

  #execute(options: StatementOption, silenceMs: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const statement = this.connection.execute({
        ...options,
        complete: (error, done, rows = []) => {
          clearTimeout(timer);
          this.#running = undefined;
          if (error) reject(new SnowflakeError(error));
          else resolve({ columns: done.getColumns() ?? [], rows: rows as Row[] });
        },
      });
      this.#running = statement;
      const timer = setTimeout(() => {
        this.#isBroken = true;
        // Whether that is heard makes no difference: nobody waits for this statement any more.
        statement.cancel(() => undefined);
        reject(
          new Error(
            `Snowflake has not answered for ${silenceMs / 1000} s: ${oneLine(options.sqlText).slice(0, 80)}`,
          ),
        );
      }, silenceMs);
    });
  }

  #logIn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        void this.close();
        const message = `no answer within ${LOGIN_TIMEOUT_MS / 1000} s`;
        reject(Object.assign(new Error(message), { code: NO_ANSWER }));
      }, LOGIN_TIMEOUT_MS);
      this.connection.connect((error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      });
    });
  }
}
