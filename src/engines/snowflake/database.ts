/** The sessions of a store or a reader: as many as are used at once, up to a limit, kept for the next. */
import type { Pace } from './pace.js';
import { queryTag } from './queryTag.js';
import { Session, SESSION_SETTINGS } from './session.js';
import type { Target } from './url.js';

export interface DatabaseOptions {
  /** The audit's schema as it stands in SQL. It is also the sessions' own, for names without a schema. */
  readonly schema: string;
  readonly sessions: number;
  readonly pace?: Pace;
}

export class Database {
  readonly label: string;
  readonly schema: string;
  readonly #idle: Session[] = [];
  readonly #waiting: Array<() => void> = [];
  #inUse = 0;
  #isClosed = false;

  private constructor(
    readonly target: Target,
    readonly options: DatabaseOptions,
  ) {
    this.label = target.label;
    this.schema = options.schema;
  }

  /** Makes the first session, so that what is wrong shows at once. */
  static async open(target: Target, options: DatabaseOptions): Promise<Database> {
    const db = new Database(target, options);
    await db.use(async () => undefined);
    return db;
  }

  /** A session of the caller's own, for as long as `work` takes. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error(`${this.label} was closed`);
    while (this.#inUse >= this.options.sessions) await new Promise<void>((free) => this.#waiting.push(free));
    this.#inUse++;
    try {
      const session = this.#idle.pop() ?? (await this.#newSession());
      try {
        return await work(session);
      } finally {
        if (session.isUsable) this.#idle.push(session);
        else void session.close();
      }
    } finally {
      this.#inUse--;
      for (const look of this.#waiting.splice(0)) look();
    }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#inUse > 0) await new Promise<void>((free) => this.#waiting.push(free));
    await Promise.all(this.#idle.splice(0).map((session) => session.close()));
  }

  async #newSession(): Promise<Session> {
    const session = await Session.open(this.target, this.schema);
    try {
      await this.options.pace?.take();
      await session.run({ text: SESSION_SETTINGS }, { tag: queryTag() });
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }
}
