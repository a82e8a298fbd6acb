/** Runs a stored procedure with the BatchID as one transaction. */
import { BadInput, NotFound } from '../../domain/errors.js';
import type { TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import { hasNumber, isLost, isMissingRight } from './errors.js';
import { quoted } from './transfer/names.js';
import type { TransferSession } from './transfer/session.js';

/** What Babelfish gives to errors that it has no number of SQL Server's for; their messages say what they are. */
const UNNUMBERED = 33557097;

interface Problem {
  readonly numbers: readonly number[];
  readonly message: RegExp;
}

const NO_PROCEDURE: Problem = {
  numbers: [2812],
  message: /^Could not find stored procedure|^procedure .* does not exist/i,
};
const OTHER_PARAMETERS: Problem = {
  numbers: [201, 8144, 8145, 8146, 8178],
  message: /expects parameter|not a parameter for|too many arguments|no parameters and arguments/i,
};
const ENDS_TRANSACTION: Problem = {
  numbers: [266, 3609, 3902, 3903],
  message: /transaction count|no corresponding BEGIN TRANSACTION|invalid transaction termination/i,
};
/** A table, a column or a function that is missing, or no SQL: trying it again changes nothing. */
const WRONG: Problem = {
  numbers: [102, 156, 195, 207, 208, 209, 213, 4104, 4121],
  message: /^Invalid (?:object|column) name|^(?:relation|column|function) .* does not exist|^syntax error/i,
};

export async function executeProcedure(
  session: TransferSession,
  name: TableName,
  batchID: number,
): Promise<void> {
  try {
    await session.run(`EXEC ${quoted(name)} @CurrentBatchID = @batchID`, {
      batchID: [session.db.driver.BigInt, batchID],
    });
    await session.commit();
  } catch (error) {
    if (session.signal.aborted || isLost(error) || isMissingRight(error)) throw error;
    throw explained(error as Error, formatTableName(name), session.label);
  }
}

function explained(error: Error, name: string, label: string): Error {
  const options = { cause: error };
  if (is(error, NO_PROCEDURE)) {
    return new NotFound(
      `There is no procedure ${name} in ${label}: ${error.message}. Create it with the parameter @CurrentBatchID BIGINT, or correct its name`,
      options,
    );
  }
  const message = `${name} of ${label}: ${error.message}${placeOf(error)}`;
  if (is(error, OTHER_PARAMETERS)) {
    return new BadInput(`${message}. A transform gets one parameter: @CurrentBatchID BIGINT`, options);
  }
  if (is(error, ENDS_TRANSACTION)) {
    return new BadInput(
      `${message}. A transform runs as one transaction: take COMMIT and ROLLBACK out of it`,
      options,
    );
  }
  if (is(error, WRONG)) return new BadInput(`${message}. Mend the procedure, or make what it needs`, options);
  return new Error(message, options);
}

function is(error: Error, { numbers, message }: Problem): boolean {
  // Not the message alone: a procedure may THROW any.
  return hasNumber(error, numbers) || (hasNumber(error, [UNNUMBERED]) && message.test(error.message));
}

/** The driver knows it where the server has said it. */
function placeOf(error: Error): string {
  const { procName, lineNumber } = error as { procName?: unknown; lineNumber?: unknown };
  return typeof procName === 'string' && procName !== '' && typeof lineNumber === 'number'
    ? ` (${procName}, line ${lineNumber})`
    : '';
}
