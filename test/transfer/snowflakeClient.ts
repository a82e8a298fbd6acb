/** Looks into a Snowflake as a person does, beside the engine. */
import sdk from 'snowflake-sdk';

export class SnowflakeClient {
  private constructor(readonly connection: sdk.Connection) {}

  static async open(url: string): Promise<SnowflakeClient> {
    sdk.configure({ logLevel: 'OFF' });
    const { hostname, username, password, pathname, searchParams } = new URL(url);
    const connection = sdk.createConnection({
      ...{ account: hostname, username, password, database: pathname.slice(1) },
      accessUrl: searchParams.get('accessUrl')!,
    });
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
    return new SnowflakeClient(connection);
  }

  async run(sqlText: string): Promise<void> {
    await this.rows(sqlText);
  }

  rows(sqlText: string): Promise<unknown[][]> {
    return new Promise((resolve, reject) => {
      this.connection.execute({
        sqlText,
        rowMode: 'array',
        complete: (error, _, rows) => (error ? reject(error) : resolve((rows ?? []) as unknown[][])),
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.connection.destroy(() => resolve()));
  }
}
