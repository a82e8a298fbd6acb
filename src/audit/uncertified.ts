import type { AuditStore, UncertifiedRun } from '../engines/contract.js';

/** Rows in one statement, and ids in one visibility query. */
export const LOOK_WIDTH = 200;

/** All runs that are not certified, page by page: those that have an end, or those that have none. */
export async function* uncertifiedPages(
  store: AuditStore,
  namespace: string,
  ended: boolean,
): AsyncGenerator<UncertifiedRun[]> {
  let after: UncertifiedRun | undefined;
  do {
    const page = await store.uncertifiedRuns({ namespace, ended, after, limit: LOOK_WIDTH });
    if (page.length > 0) yield page;
    after = page.length === LOOK_WIDTH ? page.at(-1) : undefined;
  } while (after);
}
