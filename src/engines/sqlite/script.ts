/** Takes an SQL script apart, because SQLite binds parameters in single statements only. */
import { BadInput } from '../../domain/errors.js';

export interface Statement {
  readonly sql: string;
  /** The line of the script where the statement starts, from 1. */
  readonly line: number;
}

/** Quoted text and comments, in which a semicolon ends nothing; a doubled quote reads as two quoted texts. */
const QUOTED_OR_COMMENT = String.raw`'[^']*'|"[^"]*"|\`[^\`]*\`|\[[^\]]*\]|--[^\n]*|/\*[\s\S]*?(?:\*/|$)`;
const PIECE = new RegExp(`${QUOTED_OR_COMMENT}|;`, 'g');
const BLANK = /^(?:\s|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))*/;

/** The statements of a script. Trigger bodies, which have semicolons of their own, are not understood. */
export function splitScript(script: string): Statement[] {
  const ends = [...script.matchAll(PIECE)].filter(([piece]) => piece === ';').map(({ index }) => index);
  const statements: Statement[] = [];
  let from = 0;
  for (const end of [...ends, script.length]) {
    const start = from + BLANK.exec(script.slice(from, end))![0].length;
    if (start < end) {
      const line = script.slice(0, start).split('\n').length;
      statements.push({ sql: script.slice(start, end).trimEnd(), line });
    }
    from = end + 1;
  }
  return statements;
}

const TRANSACTION_OR_FILE = /^(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH)\b/i;
const TRIGGER = /^CREATE\s+(?:TEMP(?:ORARY)?\s+)?TRIGGER\b/i;

/** The statements of a transform, which runs as one transaction on files that are attached for it. */
export function parseTransform(script: string, name: string): Statement[] {
  const statements = splitScript(script);
  if (statements.length === 0) throw new BadInput(`${name} holds no statement`);
  for (const { sql, line } of statements) {
    const refused = (TRANSACTION_OR_FILE.exec(sql) ?? TRIGGER.exec(sql))?.[0].toUpperCase();
    if (refused) {
      throw new BadInput(
        `${name}, line ${line}: ${refused} is not possible in a transform, which runs as one transaction on files ` +
          'that are attached for it. Take the statement out',
      );
    }
  }
  return statements;
}
