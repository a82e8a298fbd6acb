/** A Snowflake endpoint for the tests of one file; where none can run, the tests are skipped and say why. */
import { afterAll, describe } from 'vitest';
import { NotOnThisMachine } from '../endpoints/endpoint.js';
import { startSnowflake, type SnowflakeEndpoint, type SnowflakeOptions } from '../endpoints/snowflake.js';

export interface Given {
  readonly endpoint: SnowflakeEndpoint;
  /** `describe`, or one that skips. */
  readonly describeSnowflake: (topic: string, cases: () => void) => void;
}

export async function givenSnowflake(options: SnowflakeOptions = {}): Promise<Given> {
  try {
    const endpoint = await startSnowflake(options);
    return {
      endpoint,
      describeSnowflake: (topic, cases) =>
        describe(topic, () => {
          afterAll(() => endpoint.stop());
          cases();
        }),
    };
  } catch (error) {
    if (!(error instanceof NotOnThisMachine)) throw error;
    const { message } = error;
    process.stderr.write(`Snowflake: skipped, ${message}\n`);
    return {
      // Nothing that is skipped asks for it.
      endpoint: undefined as never,
      describeSnowflake: (topic, cases) => describe.skip(`${topic} (skipped: ${message})`, cases),
    };
  }
}
