import { given } from './given.js';
import { readRows } from './rows.js';
import type { Inputs, Session } from './session.js';
import type { Statement } from './statements.js';

/** Runs a statement for the rows that are given, in as few requests as they fit in. */
export function givenRunner(session: Session) {
  return async <Row extends object, Answer = never>(
    statement: Statement,
    columns: ReadonlyArray<keyof Row & string>,
    rows: readonly Row[],
    answer: ReadonlyArray<keyof Answer & string> = [],
    inputs: Inputs = {},
  ): Promise<Answer[]> => {
    const answers: Answer[] = [];
    for (const part of given(session.driver, columns, rows)) {
      const [records] = await session.run(statement(part.table(columns)), { ...part.inputs, ...inputs });
      answers.push(...readRows<Answer>(answer, records));
    }
    return answers;
  };
}
