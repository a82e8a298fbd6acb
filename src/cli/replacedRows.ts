/** What batches have in the targets, as the ledgers there list it: a replay from the start takes the place of it. */
import type { Config } from '../config.js';
import { withTargets } from './targets.js';

export interface ReplacedRows {
  readonly connection: string;
  readonly table: string;
  readonly rows: number;
}

/** By LogID. Batches of other audit stores that have the same numbers are left out. */
export function replacedRows(
  config: Config,
  storeID: string,
  logIDs: readonly number[],
): Promise<Map<number, ReplacedRows[]>> {
  return withTargets(config, undefined, async (targets) => {
    const found = new Map<number, ReplacedRows[]>();
    for (const { connection, reader } of targets) {
      for (const schema of new Set(reader.tables.map(({ name }) => name.schema))) {
        const loads = await reader.loads(schema, logIDs);
        for (const { logID, table, rows } of loads.filter((load) => load.storeID === storeID)) {
          found.set(logID, [...(found.get(logID) ?? []), { connection, table, rows }]);
        }
      }
    }
    return found;
  });
}
