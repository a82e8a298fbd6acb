import type Driver from 'mssql';
import type { Database } from './connect.js';

export type SqlType = Driver.ISqlType | (() => Driver.ISqlType);
/** The parameters of a statement, by name. */
export type Inputs = Record<string, readonly [type: SqlType, value: unknown]>;
export type Records = ReadonlyArray<Readonly<Record<string, unknown>>>;

/** Where statements run: on any connection of the pool, or on that of a transaction. */
export interface Session {
  readonly driver: typeof Driver;
  /** The tables that the text's statements answered, in their order. */
  run(text: string, inputs: Inputs): Promise<Records[]>;
  /** Runs a text that has to be a batch of its own, as CREATE VIEW has to be. */
  runBatch(text: string): Promise<void>;
  /** Runs a statement whose columns are not known, and may have no names. */
  runAny(text: string): Promise<Table>;
}

/** The first table that a statement answered. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: ReadonlyArray<readonly unknown[]>;
}

export type Column = Driver.IColumnMetadata[string];

export function poolSession({ driver, pool }: Database): Session {
  return sessionOn(driver, () => pool.request());
}

export interface TransactionSession extends Session {
  /** Waits for the statements that are under way, and lets none follow. */
  end(): Promise<void>;
}

/** A connection takes one statement at a time, so those of a transaction wait for each other; none follows a failed one. */
export function transactionSession(
  { driver }: Database,
  transaction: Driver.Transaction,
): TransactionSession {
  const session = sessionOn(driver, () => transaction.request());
  let last: Promise<unknown> = Promise.resolve();
  let isOver = false;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(async () => {
      if (isOver) throw new Error('The transaction is over');
      return work();
    });
    last = result.catch(() => (isOver = true));
    return result;
  };
  return {
    driver,
    run: (text, inputs) => inTurn(() => session.run(text, inputs)),
    runBatch: (text) => inTurn(() => session.runBatch(text)),
    runAny: (text) => inTurn(() => session.runAny(text)),
    end: async () => {
      isOver = true;
      await last;
    },
  };
}

function sessionOn(driver: typeof Driver, request: () => Driver.Request): Session {
  return {
    driver,
    run: async (text, inputs) => {
      const one = request();
      for (const [name, [type, value]] of Object.entries(inputs)) one.input(name, type, value);
      const { recordsets } = await one.query<Record<string, unknown>>(text);
      return recordsets;
    },
    runBatch: async (text) => {
      await request().batch(text);
    },
    runAny: async (text) => {
      const one = request();
      one.arrayRowMode = true;
      // The driver's types don't say what it answers in this mode.
      const { recordsets, columns } = (await one.query(text)) as unknown as {
        recordsets: unknown[][][];
        columns: Column[][];
      };
      return { columns: columns[0] ?? [], rows: recordsets[0] ?? [] };
    },
  };
}
