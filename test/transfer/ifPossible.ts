import { NotOnThisMachine } from '../endpoints/endpoint.js';

/** A server that may not run on this machine; then its tests are skipped, and the reason is printed. */
export async function ifPossible<T>(server: Promise<T>, what: string): Promise<T | undefined> {
  return server.catch((error: unknown) => {
    if (!(error instanceof NotOnThisMachine)) throw error;
    process.stderr.write(`${what} are not tested: ${error.message}\n`);
    return undefined;
  });
}
