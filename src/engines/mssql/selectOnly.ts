/**
 * SQL Server has no connection that can only read, so a person's statement is looked at before it runs: it has to be one
 * SELECT. It runs in a transaction that is rolled back whatever happens, so a statement that slips through would still
 * change nothing, unless it ended the transaction; and the words for that are among those refused here.
 *
 * What this can't see is what a function does. SQL Server lets none of them change tables; a CLR function, and on
 * Babelfish those of PostgreSQL, may have effects outside of the transaction. Whoever must rule that out gives the
 * reading login no more rights than SELECT.
 */
import { BadInput } from '../../domain/errors.js';

const BLANK = String.raw`\s+|--[^\n]*|/\*[\s\S]*?\*/`;
const STRING = String.raw`'(?:[^']|'')*'`;
const QUOTED = String.raw`"(?:[^"]|"")*"|\[[^\]]*\]`;
const WORD = String.raw`[\p{L}_@#][\p{L}\p{N}_@#$]*`;
const NUMBER = String.raw`[$€£¥]?\d[\p{L}\p{N}.]*`;
const SIGN = String.raw`[-+*/%&|^~=<>!(),.;:]`;
const TOKEN = new RegExp(
  `(?<blank>${BLANK})|(?<string>${STRING})|(?<quoted>${QUOTED})|(?<word>${WORD})|(?<number>${NUMBER})|(?<sign>${SIGN})`,
  'uy',
);

/** Words that begin another statement, or let a SELECT write or run something. As names they stand in brackets. */
const REFUSED = new Set(
  `ADD ALTER BACKUP BEGIN BULK CALL CHECKPOINT CLOSE COMMIT CONVERSATION CREATE CURSOR DBCC DEALLOCATE DECLARE DELETE DENY
   DISABLE DROP DUMP ENABLE EXEC EXECUTE GOTO GRANT IF INSERT INTO KILL LOAD MERGE OPEN OPENDATASOURCE OPENQUERY
   OPENROWSET OPENXML PRINT PROC PROCEDURE RAISERROR READTEXT RECEIVE RECONFIGURE RESTORE RETURN REVERT REVOKE ROLLBACK SAVE
   SEND SET SETUSER SHUTDOWN THROW TRAN TRANSACTION TRIGGER TRUNCATE UPDATE UPDATETEXT USE WAITFOR WHILE WRITETEXT`.split(
    /\s+/,
  ),
);

interface Token {
  readonly kind: string;
  readonly text: string;
}

/** The text as it may be run; throws `BadInput` when it is anything but one SELECT. */
export function selectOnly(sql: string): string {
  // Whether a comment ends at a lone CR is not the same everywhere.
  const text = sql.replace(/\r\n?/g, '\n');
  const tokens = tokensOf(text);
  const words = tokens.map(({ kind, text }) => (kind === 'word' ? text.toUpperCase() : text));
  if (words[0] !== 'SELECT' && words[0] !== 'WITH') {
    throw new BadInput(
      'Only a SELECT is possible here, as this connection can not write: begin with SELECT or WITH',
    );
  }
  const bad = tokens.find((token) => token.kind === 'word' && REFUSED.has(token.text.toUpperCase()));
  if (bad) {
    throw new BadInput(
      `Only a SELECT without ${bad.text} is possible here, as this connection can not write. If that is a name, write [${bad.text}]`,
    );
  }
  if (words.some((word, index) => word === 'NEXT' && words[index + 1] === 'VALUE')) {
    throw new BadInput('NEXT VALUE FOR is not possible here: it uses up numbers of the sequence');
  }
  if (words.slice(0, -1).includes(';')) throw new BadInput('Only one statement is possible here');
  return text;
}

/** All but blanks and comments. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let last = 'blank';
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const from = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (!groups) {
      const line = text.slice(0, from).split('\n').length;
      throw new BadInput(`Line ${line} can't be read from ${JSON.stringify(text.slice(from, from + 20))} on`);
    }
    const [kind, found] = Object.entries(groups).find(([, found]) => found !== undefined)!;
    checkAmbiguous(kind, found, last, tokens.at(-1)?.text);
    if (kind !== 'blank') tokens.push({ kind, text: found });
    last = kind;
  }
  return tokens;
}

/** Where SQL Server and Babelfish may see the end of a text or comment in different places, nobody gets the choice. */
function checkAmbiguous(kind: string, found: string, last: string, before: string | undefined): void {
  if (kind === 'blank' && found.startsWith('/*') && found.includes('/*', 2)) {
    throw new BadInput('A comment inside a comment is not possible here');
  }
  if (kind === 'string' && last === 'word' && before?.toUpperCase() !== 'N') {
    throw new BadInput(`A text can't begin right behind ${before}. Put a blank between them`);
  }
}
