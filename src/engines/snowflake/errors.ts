/** What Snowflake and its driver say when something fails, and what can be done about it. */
import { BadConfig, Unreachable } from '../../domain/errors.js';

/** A statement or a login that failed. The driver's own error holds the request and more, and stays behind. */
export class SnowflakeError extends Error {
  override readonly name = 'SnowflakeError';
  readonly code: string;

  constructor(error: unknown) {
    const { code, message, cause } = error as {
      code?: string | number;
      message?: unknown;
      cause?: { message?: string };
    };
    const said = [message, cause?.message].filter((text) => typeof text === 'string');
    super(oneLine([...new Set(said)].join(': ')).replace(/\.$/, ''));
    this.code = String(code ?? '');
  }
}

/** Another transaction was faster, or in the way: what was not committed can be done again. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** By Snowflake's codes; those of the driver have six digits and begin with 4. */
const CONFLICT = '000625';
const OBJECT_EXISTS = '002002';
const NOT_FOUND_OR_FORBIDDEN = ['002003', '002043'];
const FORBIDDEN = '003001';
const NO_DATABASE = '090105';
const NO_WAREHOUSE = '000606';
/** The driver's, for a server that can't be reached. */
export const NO_ANSWER = '401001';
const NO_CONNECTION = [NO_ANSWER, '401002', '401003'];
/** The session is unknown, closed or too old: the server did not run the statement. */
const SESSION_GONE = ['390104', '390111', '390112', '390114', '401004', '407001', '407002'];

export function isConflict(error: unknown): boolean {
  if (error instanceof Conflict) return true;
  if (!(error instanceof SnowflakeError)) return false;
  return error.code === CONFLICT || /\b(lock timeout|deadlock|conflict(ing|s)?)\b/i.test(error.message);
}

export function isSessionGone(error: unknown): boolean {
  return hasCode(error, SESSION_GONE);
}

export function isConnectionLost(error: unknown): boolean {
  return hasCode(error, NO_CONNECTION);
}

/** Somebody else has made it in the same moment. */
export function isThereAlready(error: unknown): boolean {
  return hasCode(error, [OBJECT_EXISTS]);
}

/** Snowflake does not tell what is missing from what one may not see. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, NOT_FOUND_OR_FORBIDDEN);
}

export function isForbidden(error: unknown): boolean {
  return hasCode(error, [FORBIDDEN]);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof SnowflakeError && codes.includes(error.code);
}

/** One line about a login that failed, with what to do. */
export function loginProblem(error: SnowflakeError, label: string): BadConfig | Unreachable {
  const because = `${label}: ${error.message}`;
  if (isConnectionLost(error)) {
    return new Unreachable(
      `${label} can't be reached: ${error.message}. Check the account in the URL, the network and the proxy`,
      { cause: error },
    );
  }
  return new BadConfig(
    `${because}. Correct how the URL logs in (user, password, token or key), or the role`,
    {
      cause: error,
    },
  );
}

/** What a person can mend is said as that; all other errors stay what they are. */
export function explained(error: unknown, label: string): unknown {
  if (hasCode(error, [NO_DATABASE])) {
    return new BadConfig(
      `${label}: this database does not exist, or the role has no right to use it. Correct its name in the URL, or let a DBA grant USAGE on it`,
      { cause: error },
    );
  }
  if (hasCode(error, [NO_WAREHOUSE])) {
    return new BadConfig(
      `${label}: no warehouse runs the statements. Add warehouse=… to the URL, one that the role has USAGE on`,
      { cause: error },
    );
  }
  return error;
}

export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').trim();
}
