/** Runs a procedure with the BatchID as one transaction. */
import type pg from 'pg';
import { BadConfig, BadInput, NotFound } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import { codeOf, isMissingRight, isRefusal } from './errors.js';
import type { Session } from './transfer/session.js';
import { quoted } from './transfer/tables.js';

/** A transaction that the procedure ends itself, in one that it is not to end. */
const ENDS_TRANSACTION = '2D000';
/** Wrong statements, and tables or functions that are missing: trying it again changes nothing. */
const WRONG = /^(?:42|3F|0A)/;

export async function callProcedure(session: Session, wanted: TableName, batchID: number): Promise<void> {
  const procedure = await findProcedure(session, wanted);
  try {
    await session.run('BEGIN ISOLATION LEVEL READ COMMITTED');
    await session.rows(`CALL ${quoted(procedure)}($1::bigint)`, [batchID]);
    await session.run('COMMIT');
  } catch (error) {
    throw isRefusal(error) ? explained(error, `${formatTableName(wanted)} of ${session.label}`) : error;
  }
}

/** Names with capitals that are not there stand for those in lower case, as in SQL without quotes. */
async function findProcedure(session: Session, { schema, name }: TableName): Promise<TableName> {
  const [found] = await session.rows(
    `SELECT N.nspname, P.proname, P.prokind = 'p', P.pronargs >= 1 AND P.pronargs - P.pronargdefaults <= 1
       AND P.proargtypes[0] = 'bigint'::regtype, pg_get_function_identity_arguments(P.oid)
     FROM pg_catalog.pg_proc P JOIN pg_catalog.pg_namespace N ON N.oid = P.pronamespace
     WHERE N.nspname IN ($1::text, lower($1::text)) AND P.proname IN ($2::text, lower($2::text))
     ORDER BY 3 DESC, 4 DESC, N.nspname = $1::text DESC, P.proname = $2::text DESC LIMIT 1`,
    [schema, name],
  );
  const at = formatTableName({ schema, name });
  if (!found) {
    throw new NotFound(
      `There is no procedure ${at} in ${session.label}. Create it with one parameter, the BatchID as a bigint, or correct its name`,
    );
  }
  const [foundSchema, foundName, isProcedure, takesBatchID, parameters] = found;
  if (isProcedure !== 't') {
    throw new BadInput(
      `${at} of ${session.label} is a function, and a transform is a procedure. Make it one`,
    );
  }
  if (takesBatchID !== 't') {
    throw new BadInput(
      `${at} of ${session.label} takes (${parameters}), and a transform gets the BatchID alone, as a bigint. Give it that one parameter`,
    );
  }
  return { schema: foundSchema!, name: foundName! };
}

function explained(error: pg.DatabaseError, procedure: string): Error {
  // The outermost place is the last: the line of the procedure itself.
  const place = error.where?.split('\n').at(-1);
  const message = `${procedure}: ${error.message}${place === undefined ? '' : ` (${place})`}`;
  const options = { cause: error };
  const code = codeOf(error) ?? '';
  if (isMissingRight(error)) {
    return new BadConfig(
      `${message}. Let a DBA grant this user EXECUTE on the procedure, and the rights on its tables`,
      options,
    );
  }
  if (code === ENDS_TRANSACTION) {
    return new BadInput(
      `${message}. A transform runs as one transaction: take COMMIT and ROLLBACK out of it`,
      options,
    );
  }
  if (WRONG.test(code)) return new BadInput(`${message}. Mend the procedure, or make what it needs`, options);
  return new Error(message, options);
}
