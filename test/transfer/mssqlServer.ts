/** The SQL Server that TEST_MSSQL_URL names, as a person looks into it. Its database must allow snapshot isolation. */
import { randomBytes } from 'node:crypto';
import sql from 'mssql';
import type { Database } from '../../src/engines/mssql/connect.js';
import { connect } from '../../src/engines/mssql/connect.js';
import { readUrl } from '../../src/engines/mssql/url.js';

/** Where the variable is not set, `what` is not tested, and that is said. */
export function mssqlUrl(what: string): string | undefined {
  const url = process.env['TEST_MSSQL_URL'] || undefined;
  if (url === undefined) process.stderr.write(`${what} are not tested: TEST_MSSQL_URL is not set\n`);
  return url;
}

export class MssqlServer {
  readonly #schemas: string[] = [];

  private constructor(readonly db: Database) {}

  static async open(url: string): Promise<MssqlServer> {
    return new MssqlServer(await connect(readUrl(url), { connections: 2 }));
  }

  /** A name of the test's own, for a schema that is dropped at the end. */
  newSchema(name: string): string {
    const schema = `${name}_${randomBytes(5).toString('hex')}`;
    this.#schemas.push(schema);
    return schema;
  }

  async run(text: string): Promise<void> {
    await new sql.Request(this.db.pool).batch(text);
  }

  /** The answer, and after a change nothing. */
  async rows(text: string): Promise<unknown[][]> {
    const request = new sql.Request(this.db.pool);
    request.arrayRowMode = true;
    const { recordsets } = await request.query(text);
    return (recordsets as unknown[][][])[0] ?? [];
  }

  /** As long as it is held, nobody loads into the table. */
  async hold(table: string): Promise<{ run(text: string): Promise<void>; release(): Promise<void> }> {
    const transaction = new sql.Transaction(this.db.pool);
    await transaction.begin();
    const run = async (text: string): Promise<void> => {
      await new sql.Request(transaction).batch(text);
    };
    await run(
      `EXEC sp_getapplock @Resource = N'batchtrail table ${table.toLowerCase()}', @LockMode = 'Exclusive', @LockOwner = 'Transaction'`,
    );
    return { run, release: () => transaction.commit() };
  }

  async close(): Promise<void> {
    for (const schema of this.#schemas) await this.#drop(schema);
    await this.db.close();
  }

  async #drop(schema: string): Promise<void> {
    const tables = await this.rows(
      `SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '${schema}'`,
    );
    for (const [name] of tables) {
      await this.run(`DROP TABLE ${schema}."${(name as string).replaceAll('"', '""')}"`);
    }
    await this.run(`IF SCHEMA_ID('${schema}') IS NOT NULL DROP SCHEMA ${schema}`);
  }
}
