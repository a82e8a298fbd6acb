/**
 * Snowflake has no session that can only read: what a statement may do is up to its role. So a statement is looked at
 * before it is sent, and the server is told to take one only (MULTI_STATEMENT_COUNT).
 */
import { BadInput } from '../../domain/errors.js';

const READING = /^(?:SELECT|WITH|SHOW|DESCRIBE|DESC|EXPLAIN)\b/i;
/** `WITH p AS PROCEDURE … CALL p()` runs anything, `->>` hands on to another statement, NEXTVAL uses up a number. */
const WRITING = /\b(?:PROCEDURE|CALL|NEXTVAL|SYSTEM\$\w+)\b|->>/i;
/** Comments, then texts and names in quotes: what stands in them means nothing. */
const OPAQUE =
  /(--|\/\/)[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|\$\$[\s\S]*?\$\$/g;

export function checkReads(sql: string): void {
  const bare = sql.replace(OPAQUE, (part) => (/^(?:--|\/\/|\/\*)/.test(part) ? ' ' : "''")).trim();
  const refuse = (what: string): never => {
    throw new BadInput(`${what}: this connection can not write`);
  };
  if (!READING.test(bare.replace(/^[\s(]+/, ''))) {
    refuse('Only statements that read are possible here (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN)');
  }
  const writing = WRITING.exec(bare);
  if (writing) refuse(`A statement with ${writing[0]} is not possible here`);
  if (/;\s*\S/.test(bare)) refuse('Only one statement at a time is possible here');
}
