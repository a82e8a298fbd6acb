import { NotOnThisMachine } from './endpoint.js';

/**
 * A server that may not run on this machine; then its tests are skipped, and the reason is printed. With
 * TEST_REQUIRE_SERVERS=1 that is a failure: where everything is to be tried, nothing may be skipped unseen.
 */
export async function ifPossible<T>(server: Promise<T>, what: string): Promise<T | undefined> {
  return server.catch((error: unknown) => {
    if (!(error instanceof NotOnThisMachine) || process.env['TEST_REQUIRE_SERVERS'] === '1') throw error;
    process.stderr.write(`${what} are not tested: ${error.message}\n`);
    return undefined;
  });
}
