/** A session of a transfer: its statements take as long as they take, and end with the transfer. */
import type { Bind } from 'snowflake-sdk';
import { BadConfig } from '../../../domain/errors.js';
import type { PlaceOptions } from '../../transferContract.js';
import { explained, isForbidden, isMissing } from '../errors.js';
import { queryTag } from '../queryTag.js';
import type { Row } from '../session.js';
import { Session, settingsWith } from '../session.js';
import { readUrl } from '../url.js';

const LONGEST_STATEMENT_S = 24 * 60 * 60;
/** Batches that load into one schema do so one after the other; a session that was left alone ends within minutes. */
const PATIENCE_S = 60 * 60;

/** Whatever the account or the user is set to, texts are read as the staging dialect spells them. */
const SETTINGS = settingsWith({
  STATEMENT_TIMEOUT_IN_SECONDS: LONGEST_STATEMENT_S,
  LOCK_TIMEOUT: PATIENCE_S,
  TIMEZONE: "'UTC'",
  DATE_INPUT_FORMAT: "'AUTO'",
  TIME_INPUT_FORMAT: "'AUTO'",
  TIMESTAMP_INPUT_FORMAT: "'AUTO'",
});

export class TransferSession {
  readonly #aborted: Promise<never>;

  private constructor(
    readonly session: Session,
    readonly label: string,
    readonly tag: string,
    signal: AbortSignal,
  ) {
    this.#aborted = new Promise((_, reject) => {
      const abort = (): void => {
        session.cancel();
        reject(signal.reason as Error);
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    this.#aborted.catch(() => undefined);
  }

  /** `batchIDs`: what the query history says of its statements. */
  static async open({ url, signal }: PlaceOptions, batchIDs: number[] = []): Promise<TransferSession> {
    const target = readUrl(url);
    const session = new TransferSession(await Session.open(target), target.label, queryTag(batchIDs), signal);
    try {
      await session.run(SETTINGS);
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  async run(text: string, binds: readonly Bind[] = []): Promise<Row[]> {
    const options = { tag: this.tag, silenceMs: LONGEST_STATEMENT_S * 1000 };
    try {
      const { rows } = await Promise.race([this.session.run({ text, binds }, options), this.#aborted]);
      return rows;
    } catch (error) {
      if (!isForbidden(error) && !isMissing(error)) throw explained(error, this.label);
      throw new BadConfig(
        `${this.label}: ${(error as Error).message}. Let a DBA grant this role what a transfer needs: ` +
          'USAGE on the database, the schema, the warehouse and the stage, CREATE TABLE (and TEMPORARY STAGE) on the schema, and SELECT, INSERT, UPDATE and DELETE on its tables',
        { cause: error },
      );
    }
  }

  /** Takes back what was not committed. */
  close(): Promise<void> {
    return this.session.close();
  }
}
